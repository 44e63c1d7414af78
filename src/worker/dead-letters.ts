import type { DatabaseEngine, SqlValue, Transaction } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import type { EventRecord } from "../system/event-record.ts";
import { type DeedName, note } from "./audit.ts";
import type { Place } from "./link.ts";
import type { FailedAttempt, Failure } from "./outcome.ts";

/** An event that a worker gave up on, with what it takes to understand and repair it. */
export interface StoredDeadLetter extends Place {
  readonly event: EventRecord;
  /** Milliseconds since 1970. */
  readonly acceptedAt: number;
  readonly diedAt: number;
  readonly attempts: number;
  readonly error: Failure;
  readonly history: readonly FailedAttempt[];
  /** Equal for errors that are the same mistake. */
  readonly fingerprint: string;
  /** The later events of its key wait until somebody has decided about it. */
  readonly isHeld: boolean;
}

/** Which dead letters are meant; each member narrows it. */
export interface DeadLetterFilter {
  readonly id?: string;
  readonly source?: string;
  readonly type?: string;
  readonly key?: string;
  readonly fingerprint?: string;
  /** Died at this time or later, before that time; milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
}

export interface DeadLetterGroup {
  readonly fingerprint: string;
  readonly type: string;
  readonly count: number;
  readonly lastDiedAt: number;
  /** The error of one of them. */
  readonly error: Failure;
}

/** What is left of one that was taken away. */
interface Gone {
  readonly id: string;
  readonly key: string;
}

interface Row {
  readonly partition: number;
  readonly position: number;
  readonly accepted_at: number;
  readonly died_at: number;
  readonly event: string;
  readonly attempts: number;
  readonly error: string;
  readonly history: string;
  readonly fingerprint: string;
  readonly held: number;
}

const columns = `partition, position, accepted_at, died_at, event, attempts, error, history,
  fingerprint, held`;

/** What an instance has just put behind a held letter, nobody else sees before it commits. */
const alone = { isAlone: true };

/**
 * The dead letters of one worker, beside its running instances: these notice within about a second
 * what was changed here.
 */
export class DeadLetters {
  readonly #database: DatabaseEngine;
  readonly #who: string;

  /** `who` changes them, for the audit. */
  constructor(database: DatabaseEngine, who = "unknown") {
    this.#database = database;
    this.#who = who;
  }

  async count(filter: DeadLetterFilter): Promise<number> {
    const { where, values } = conditionOf(filter);
    const rows = await this.#database.read<{ count: number }>(
      `select count(*) as count from millrace_dead_letters where ${where}`,
      values,
    );
    return rows[0]?.count ?? 0;
  }

  /** In the order of their positions, behind the place `after`. */
  async list(filter: DeadLetterFilter, limit: number, after?: Place): Promise<StoredDeadLetter[]> {
    const { where, values } = conditionOf(filter);
    const { partition, position } = after ?? { partition: -1, position: -1 };
    const at = values.length;
    const rows = await this.#database.read<Row>(
      `select ${columns} from millrace_dead_letters
       where ${where} and (position, partition) > ($${at + 1}, $${at + 2})
       order by position, partition limit $${at + 3}`,
      [...values, position, partition, limit],
    );
    return rows.map(toLetter);
  }

  /** The same mistakes together, the most frequent first. */
  async groups(filter: DeadLetterFilter, limit: number): Promise<DeadLetterGroup[]> {
    const { where, values } = conditionOf(filter);
    const rows = await this.#database.read<{
      fingerprint: string;
      type: string;
      count: number;
      last: number;
      error: string;
    }>(
      `select fingerprint, min(type) as type, count(*) as count, max(died_at) as last,
         min(error) as error
       from millrace_dead_letters where ${where}
       group by fingerprint order by count(*) desc, fingerprint limit $${values.length + 1}`,
      [...values, limit],
    );
    return rows.map(({ last, error, ...group }) => ({
      ...group,
      lastDiedAt: last,
      error: JSON.parse(error),
    }));
  }

  /**
   * Hands dead letters to their handlers again, with all attempts anew. Each stands in the line of
   * its key by its position: before what waits there, and before what is newer. Returns how many
   * there were.
   */
  async retry(places: readonly Place[], nowMs: number): Promise<number> {
    return await this.#database.transaction(async (tx) => {
      const ids: string[] = [];
      for (const place of places) {
        const gone = await this.#park(tx, place);
        if (gone === undefined) continue;
        await this.#setHead(tx, gone.key, nowMs);
        ids.push(gone.id);
      }
      await this.#note(tx, "retry", ids);
      return ids.length;
    }, alone);
  }

  /** Forgets dead letters for ever; what waited for a decision about them goes on. */
  async discard(places: readonly Place[], nowMs: number): Promise<number> {
    return await this.#database.transaction(async (tx) => {
      const ids: string[] = [];
      for (const place of places) {
        const gone = await this.#remove(tx, place);
        if (gone === undefined) continue;
        await this.#setHead(tx, gone.key, nowMs);
        ids.push(gone.id);
      }
      await this.#note(tx, "discard", ids);
      return ids.length;
    }, alone);
  }

  /**
   * Replaces the data of a dead letter, which the caller has checked by the event's schema.
   *
   * @throws MR_EVENT_NOT_FOUND where it is gone; MR_KEY_NOT_STRING where the key would be another
   */
  async edit({ partition, position }: Place, edited: EventRecord): Promise<void> {
    await this.#database.transaction(async (tx) => {
      const [row] = await tx.run<{ key: string }>(
        "select key from millrace_dead_letters where partition = $1 and position = $2",
        [partition, position],
      );
      if (row === undefined) {
        throw new MillraceError("MR_EVENT_NOT_FOUND", `${edited.id} is no dead letter any more.`);
      }
      if (row.key !== edited.key) {
        throw new MillraceError(
          "MR_KEY_NOT_STRING",
          `With this data its key would be "${edited.key}" instead of "${row.key}".`,
          { remedy: "Discard it and publish a new event: another key is another order." },
        );
      }
      await tx.run(
        "update millrace_dead_letters set event = $3 where partition = $1 and position = $2",
        [partition, position, JSON.stringify(edited)],
      );
      await this.#note(tx, "edit", [edited.id]);
    });
  }

  async #note(tx: Transaction, did: DeedName, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await note(tx, this.#database, { who: this.#who, did, what: { ids } });
  }

  async #remove(tx: Transaction, { partition, position }: Place): Promise<Gone | undefined> {
    const [gone] = await tx.run<Gone>(
      `delete from millrace_dead_letters where partition = $1 and position = $2
       returning id, key`,
      [partition, position],
    );
    return gone;
  }

  /** Makes a parked event of a dead letter; undefined where it is gone. */
  async #park(tx: Transaction, { partition, position }: Place): Promise<Gone | undefined> {
    await tx.run(
      `insert into millrace_parked
         (partition, position, key, id, accepted_at, event, attempts, next_at, error, history)
       select partition, position, key, id, accepted_at, event, 0, null, null, history
       from millrace_dead_letters where partition = $1 and position = $2`,
      [partition, position],
    );
    return await this.#remove(tx, { partition, position });
  }

  /**
   * Only the head of a line has a time; it waits no longer, unless it stands behind a letter that
   * is held.
   */
  async #setHead(tx: Transaction, key: string, nowMs: number): Promise<void> {
    await tx.run(
      `update millrace_parked set next_at = case
         when position > (select min(position) from millrace_parked where key = $1) then null
         when exists (select 1 from millrace_dead_letters as letter where letter.key = $1
           and letter.held = 1 and letter.position < millrace_parked.position) then null
         else coalesce(next_at, $2) end
       where key = $1`,
      [key, nowMs],
    );
  }
}

function conditionOf(filter: DeadLetterFilter) {
  const parts = ["1 = 1"];
  const values: SqlValue[] = [];
  const add = (sql: (parameter: string) => string, value: SqlValue | undefined) => {
    if (value === undefined) return;
    values.push(value);
    parts.push(sql(`$${values.length}`));
  };
  add((parameter) => `id = ${parameter}`, filter.id);
  add((parameter) => `source = ${parameter}`, filter.source);
  add((parameter) => `type = ${parameter}`, filter.type);
  add((parameter) => `key = ${parameter}`, filter.key);
  add((parameter) => `fingerprint = ${parameter}`, filter.fingerprint);
  add((parameter) => `died_at >= ${parameter}`, filter.since);
  add((parameter) => `died_at < ${parameter}`, filter.until);
  return { where: parts.join(" and "), values };
}

function toLetter(row: Row): StoredDeadLetter {
  return {
    partition: row.partition,
    position: row.position,
    acceptedAt: row.accepted_at,
    diedAt: row.died_at,
    event: JSON.parse(row.event),
    attempts: row.attempts,
    error: JSON.parse(row.error),
    history: JSON.parse(row.history),
    fingerprint: row.fingerprint,
    isHeld: row.held === 1,
  };
}
