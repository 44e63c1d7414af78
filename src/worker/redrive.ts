/**
 * What a person does with dead letters, one or many: the same for the command line, which opens the
 * workers' databases beside them, and for the admin port.
 */
import type { CacheEngine } from "../cache/engine.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { decodeUtf8, parseJson } from "../lib/json.ts";
import { limits } from "../lib/limits.ts";
import { didYouMean } from "../lib/nearest.ts";
import { makeEvent } from "../system/make-event.ts";
import type { SystemDefinition } from "../system/system.ts";
import {
  type DeadLetterFilter,
  type DeadLetterGroup,
  DeadLetters,
  type StoredDeadLetter,
} from "./dead-letters.ts";
import { type DryRun, dryRun } from "./dry-run.ts";
import type { Place } from "./link.ts";

/** A worker's database, opened beside its running instances. */
export interface OpenedWorker {
  readonly name: string;
  readonly database: DatabaseEngine;
}

/** A dead letter, and whose it is. */
export interface FoundLetter {
  readonly worker: OpenedWorker;
  readonly letters: DeadLetters;
  readonly letter: StoredDeadLetter;
}

/**
 * The one dead letter that is meant.
 *
 * @param remedy how to say which one, where there are several; `who` is for the audit
 * @throws MR_EVENT_NOT_FOUND; MR_EVENT_AMBIGUOUS where several workers, or sources, have the id
 */
export async function findLetter(
  workers: readonly OpenedWorker[],
  filter: DeadLetterFilter & { readonly id: string },
  { remedy, who }: { readonly remedy: string; readonly who: string },
): Promise<FoundLetter> {
  const found: FoundLetter[] = [];
  for (const worker of workers) {
    const letters = new DeadLetters(worker.database, who);
    for (const letter of await letters.list(filter, 2)) found.push({ worker, letters, letter });
  }
  const [one, other] = found;
  if (one === undefined) throw letterGone(filter.id);
  if (other === undefined) return one;
  const whose = found.map(({ worker, letter }) => `${worker.name} (${letter.event.source})`);
  throw new MillraceError(
    "MR_EVENT_AMBIGUOUS",
    `${filter.id} is several: of ${whose.join(", ")}.`,
    {
      remedy,
      extra: { sources: [...new Set(found.map(({ letter }) => letter.event.source))] },
    },
  );
}

/**
 * How many dead letters are chosen.
 *
 * @throws MR_EVENT_NOT_FOUND where none at all has the fingerprint: it was misread, or all are done
 */
export async function countLetters(
  workers: readonly OpenedWorker[],
  filter: DeadLetterFilter,
): Promise<number> {
  const count = await countAll(workers, filter);
  const { fingerprint } = filter;
  if (count > 0 || fingerprint === undefined) return count;
  if ((await countAll(workers, { fingerprint })) > 0) return 0;
  throw new MillraceError(
    "MR_EVENT_NOT_FOUND",
    `No dead letter has the fingerprint ${fingerprint}.`,
    {
      remedy:
        "Those that there are: millrace dead-letters list --group, or GET /dead-letters/groups.",
    },
  );
}

async function countAll(
  workers: readonly OpenedWorker[],
  filter: DeadLetterFilter,
): Promise<number> {
  let count = 0;
  for (const { database } of workers) count += await new DeadLetters(database).count(filter);
  return count;
}

/** A change of many must say which ones, or that all are meant: `remedy` tells how. */
export const filterMissing = (remedy: string): MillraceError =>
  new MillraceError("MR_FILTER_MISSING", "It is not said which dead letters are meant.", {
    remedy: `${remedy} Nothing was changed.`,
  });

export const letterGone = (id: string): MillraceError =>
  new MillraceError("MR_EVENT_NOT_FOUND", `There is no dead letter ${id}.`, {
    remedy: "millrace dead-letters list tells those that there are.",
  });

export const unknownWorker = (name: string, known: readonly string[]): MillraceError =>
  new MillraceError("MR_WORKER_UNKNOWN", `There is no worker "${name}".`, {
    remedy: didYouMean(name, known).trim() || `There are: ${known.join(", ") || "none"}.`,
  });

/** Page after page in the order of positions; what a page changes is gone from the next. */
export async function* pagesOf(
  letters: DeadLetters,
  filter: DeadLetterFilter,
  size: number = limits.deadLetterPageMax,
  after?: Place,
): AsyncGenerator<readonly StoredDeadLetter[]> {
  let last = after;
  for (;;) {
    const page = await letters.list(filter, size, last);
    if (page.length === 0) return;
    last = page.at(-1);
    yield page;
  }
}

export interface Change {
  /** Hand them to their handlers again, or forget them. */
  readonly verb: "retry" | "discard";
  readonly filter: DeadLetterFilter;
  /** How many a second at most. */
  readonly rate?: number;
  readonly clock: Clock;
  /** Ends it after the page that is under way. */
  readonly signal?: AbortSignal;
}

/** Changes page after page, each in one transaction; tells after each how many it were so far. */
export async function* changeLetters(
  all: readonly DeadLetters[],
  { verb, filter, rate = Number.POSITIVE_INFINITY, clock, signal }: Change,
): AsyncGenerator<number> {
  const startedAt = clock.monotonic();
  const size = Math.max(1, Math.floor(Math.min(rate, limits.deadLetterPageMax)));
  let changed = 0;
  for (const letters of all) {
    for await (const page of pagesOf(letters, filter, size)) {
      const dueMs = (changed / rate) * 1_000 - (clock.monotonic() - startedAt);
      if (dueMs > 0) await clock.sleep(dueMs, signal);
      if (signal?.aborted) return;
      changed += await letters[verb](page, clock.now());
      yield changed;
    }
  }
}

/**
 * Replaces the data of a dead letter, given as JSON, once the event's schema agrees.
 *
 * @returns the data as it is stored now
 * @throws MR_EVENT_UNKNOWN, MR_DATA_INVALID, MR_KEY_NOT_STRING and what `parseJson` refuses
 */
export async function editLetter(
  { letters, letter }: FoundLetter,
  bytes: Uint8Array,
  system: SystemDefinition,
): Promise<unknown> {
  const { event } = letter;
  const definition = system.events.get(event.type);
  if (definition === undefined) {
    throw new MillraceError("MR_EVENT_UNKNOWN", `${system.name} knows no event ${event.type}.`);
  }
  const data = parseJson(decodeUtf8(bytes));
  const { id, source, time, attributes } = event;
  await letters.edit(letter, await makeEvent(definition, data, { id, source, time, attributes }));
  return data;
}

/** Says what would happen if a dead letter was retried. `cache` is an empty one of its own. */
export async function tryLetter(
  { worker, letter }: FoundLetter,
  { system, cache, clock }: { system: SystemDefinition; cache: CacheEngine; clock: Clock },
): Promise<DryRun> {
  const definition = system.workers.find(({ name }) => name === worker.name);
  if (definition === undefined) {
    const known = system.workers.map(({ name }) => name);
    throw unknownWorker(worker.name, known);
  }
  const { database } = worker;
  return await dryRun(letter, { system, worker: definition, database, cache, clock });
}

/** The documented form of a dead letter, wherever one is told as JSON. */
export function letterJson(
  worker: string,
  { event, acceptedAt, diedAt, ...letter }: StoredDeadLetter,
) {
  const { data, ...attributes } = event;
  return {
    worker,
    ...attributes,
    data: JSON.parse(data) as unknown,
    ...letter,
    history: letter.history.map((attempt) => ({ ...attempt, at: timeOf(attempt.at) })),
    acceptedAt: timeOf(acceptedAt),
    diedAt: timeOf(diedAt),
  };
}

export const groupJson = (worker: string, { lastDiedAt, ...group }: DeadLetterGroup) => ({
  worker,
  ...group,
  lastDiedAt: timeOf(lastDiedAt),
});

export const dryRunJson = (worker: string, id: string, { error, emitted, touched }: DryRun) => ({
  id,
  worker,
  error: error ?? null,
  emitted: emitted.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) as unknown })),
  touched,
});

export const timeOf = (ms: number): string => new Date(ms).toISOString();
