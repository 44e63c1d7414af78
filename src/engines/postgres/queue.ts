import { crc32 } from "node:zlib";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { Doorbell } from "../../queue/doorbell.ts";
import type {
  AppendRequest,
  Durability,
  EventName,
  FoundEvent,
  QueueEngine,
  QueueHealth,
  Receipt,
  SubscribeOptions,
  Subscription,
} from "../../queue/engine.ts";
import { queueClosed } from "../../queue/faults.ts";
import { WaitingSubscription } from "../../queue/waiting-subscription.ts";
import { Connection } from "./connection.ts";
import { durabilityOf } from "./durability.ts";
import { append, appendFailure, queueFailure } from "./queue-append.ts";
import { QueueBell } from "./queue-bell.ts";
import { QueueReading, toQueued } from "./queue-reading.ts";
import { openQueueTables, type QueueHead, writeSeal } from "./queue-schema.ts";
import { Readers } from "./readers.ts";

export interface PostgresQueueOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** Holds all tables of this queue; created where absent. */
  readonly schema: string;
  /** For a new queue; one that is there keeps what it was created with. */
  readonly partitions?: number;
  readonly clock?: Clock;
  readonly idWindowMs?: number;
  readonly storedBytesMax?: number;
}

/**
 * A queue in tables of a PostgreSQL server, for who runs nothing else. A receipt means what the
 * server's settings say: on its disk, or on that of its synchronous standbys as well.
 *
 * @throws MR_DATA_NEWER, MR_QUEUE_UNAVAILABLE
 */
export async function openPostgresQueue(options: PostgresQueueOptions): Promise<QueueEngine> {
  const { url, schema, clock = systemClock, partitions = limits.partitions } = options;
  const open = (name: string) => Connection.open({ url, schema, name, isReadOnly: false, clock });
  const writer = await open("millrace queue").catch((error) => {
    throw queueFailure(error);
  });
  try {
    const head = await openQueueTables(writer, schema, partitions);
    const durable = await durabilityOf(writer);
    return new PostgresQueue({ ...options, clock, open, head }, writer, durable);
  } catch (error) {
    writer.destroy();
    throw error instanceof MillraceError ? error : queueFailure(error);
  }
}

interface Parts extends PostgresQueueOptions {
  readonly clock: Clock;
  readonly open: (name: string) => Promise<Connection>;
  readonly head: QueueHead;
}

class PostgresQueue implements QueueEngine {
  readonly partitions: number;
  readonly identity: string;
  readonly seal: string | undefined;
  readonly #parts: Parts;
  readonly #readers: Readers;
  readonly #doorbell: Doorbell;
  readonly #bell: QueueBell;
  readonly #channel: string;
  readonly #subscriptions = new Set<Subscription>();
  readonly #running = new Set<Promise<unknown>>();
  #writer: Promise<Connection>;
  #durable: Durability;
  #storedBytes = 0;
  #eventsSinceSweep = 0;
  /** Up to here, in their order, ids were looked at for their age. */
  #sweptId = "";
  #closing: Promise<void> | undefined;

  constructor(parts: Parts, writer: Connection, durable: Durability) {
    const { url, schema, clock, open, head } = parts;
    this.#parts = parts;
    this.partitions = head.partitions;
    this.identity = head.identity;
    this.seal = head.seal;
    this.#writer = Promise.resolve(writer);
    this.#durable = durable;
    this.#readers = new Readers(url, schema, clock);
    this.#channel = `millrace_${(crc32(schema) >>> 0).toString(16)}`;
    this.#doorbell = new Doorbell(clock);
    this.#bell = new QueueBell(() => open("millrace bell"), this.#channel, this.#doorbell, clock);
  }

  append(requests: readonly AppendRequest[]): Promise<Receipt[]> {
    if (this.#closing !== undefined) return Promise.reject(queueClosed());
    if (requests.length === 0) return Promise.resolve([]);
    return this.#keep(this.#append(requests));
  }

  subscribe(cursors: ReadonlyMap<number, number>, options: SubscribeOptions = {}): Subscription {
    this.#assertOpen();
    this.#bell.listen();
    const reading = new QueueReading(this.#readers, cursors, options.types);
    const subscription = new WaitingSubscription(reading, {
      doorbell: this.#doorbell,
      clock: this.#parts.clock,
      lookMs: () => this.#bell.lookMs,
      onClose: () => this.#subscriptions.delete(subscription),
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ends(): Promise<ReadonlyMap<number, number>> {
    const rows = await this.#read('select partition, "end" from partitions order by partition');
    return new Map(rows.map((row) => [Number(row.partition), Number(row.end)]));
  }

  async positionAt(partition: number, timeMs: number): Promise<number> {
    const [row] = await this.#read(
      `select greatest(trimmed, coalesce((select position from events
         where partition = $1 and accepted_at < $2
         order by accepted_at desc, position desc limit 1), 0)) as position
       from partitions where partition = $1`,
      [partition, Math.ceil(timeMs)],
    );
    return Number(row?.position ?? 0);
  }

  async find(id: string, source?: string): Promise<FoundEvent[]> {
    const rows = await this.#read(
      `select ids.id, ids.source, ids.partition, ids.position, ids.accepted_at, ids.fingerprint,
         type, key, time, bytes, attributes, data
       from ids left join events on events.position = ids.position
       where ids.id = $1 and ($2::text is null or ids.source = $2)`,
      [id, source ?? null],
    );
    return rows.map((row) => {
      const { event, ...queued } = toQueued(row as never);
      const place = { ...queued, id: String(row.id), source: String(row.source) };
      return {
        ...place,
        ...(row.fingerprint === null ? {} : { fingerprint: String(row.fingerprint) }),
        ...(row.data === null ? {} : { event }),
      };
    });
  }

  async trim(partition: number, position: number): Promise<void> {
    this.#assertOpen();
    await this.#keep(this.#trim(partition, position));
  }

  async trimmedIds({ id, source }: EventName, limit: number): Promise<FoundEvent[]> {
    const rows = await this.#read(
      `select ids.* from ids join partitions using (partition)
       where (id, source) > ($1, $2) and position <= trimmed order by id, source limit $3`,
      [id, source, limit],
    );
    return rows.map((row) => ({
      ...{ id: String(row.id), source: String(row.source) },
      ...{ partition: Number(row.partition), position: Number(row.position) },
      acceptedAt: Number(row.accepted_at),
      ...(row.fingerprint === null ? {} : { fingerprint: String(row.fingerprint) }),
    }));
  }

  async setSeal(seal: string | undefined): Promise<void> {
    this.#assertOpen();
    let connection: Connection | undefined;
    try {
      connection = await this.#parts.open("millrace seal");
      await writeSeal(connection, seal);
    } catch (error) {
      throw queueFailure(error);
    } finally {
      await connection?.end();
    }
  }

  async health(): Promise<QueueHealth> {
    const nothing = { durable: this.#durable, storedEvents: 0, storedBytes: 0 };
    if (this.#closing !== undefined) {
      return { status: "fail", detail: "The queue is closed.", ...nothing };
    }
    try {
      const [row] = await this.#read(
        `select events, bytes,
           (select accepted_at from events order by position limit 1) as oldest from queue`,
      );
      const isSafe = this.#durable !== "memory";
      return {
        status: isSafe ? "pass" : "warn",
        detail: isSafe
          ? "Events are stored by the PostgreSQL server when they are accepted."
          : "The PostgreSQL server runs with fsync off: a power cut loses what was accepted.",
        durable: this.#durable,
        storedEvents: Number(row?.events),
        storedBytes: Number(row?.bytes),
        ...(row?.oldest === null ? {} : { oldestAcceptedAt: Number(row?.oldest) }),
      };
    } catch (error) {
      return { status: "fail", detail: (error as Error).message, ...nothing };
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await Promise.allSettled([...this.#running]);
    await this.#bell.close();
    await this.#readers.close();
    await (await this.#writer.catch(() => undefined))?.end();
  }

  async #append(requests: readonly AppendRequest[]): Promise<Receipt[]> {
    const { storedBytesMax = limits.queueBytesMax } = this.#parts;
    if (this.#storedBytes > storedBytesMax) {
      // Others may have made room.
      this.#storedBytes = (await this.health()).storedBytes;
      if (this.#storedBytes > storedBytesMax) throw backlog();
    }
    const writer = await this.#writerConnection();
    const done = await append(writer, this.#channel, this.#durable, requests);
    this.#storedBytes = done.storedBytes;
    this.#doorbell.ring();
    this.#sweepIds(requests.length);
    return done.receipts;
  }

  /** Several appends are under way on it at a time; the server does one after another. */
  async #writerConnection(): Promise<Connection> {
    const known = await this.#writer.catch(() => undefined);
    if (known?.isUsable === true) return known;
    this.#writer = this.#parts.open("millrace queue");
    try {
      const writer = await this.#writer;
      this.#durable = await durabilityOf(writer);
      return writer;
    } catch (error) {
      throw queueFailure(error);
    }
  }

  /** A part at a time, so that appends wait for no more than a part. */
  async #trim(partition: number, position: number): Promise<void> {
    for (;;) {
      const writer = await this.#writerConnection();
      const { rows } = await writer
        .run(trimSome, [partition, position], limits.databaseStatementMs)
        .catch((error) => {
          throw appendFailure(error);
        });
      if (rows[0]?.done !== 0) return;
    }
  }

  /** Forgets ids that are old enough and whose events were trimmed: a few now and then. */
  #sweepIds(newEvents: number): void {
    this.#eventsSinceSweep += newEvents;
    if (this.#eventsSinceSweep < limits.idSweepEvents) return;
    this.#eventsSinceSweep = 0;
    const { clock, idWindowMs = limits.idWindowMs } = this.#parts;
    const before = clock.now() - idWindowMs;
    const sweeping = this.#writer.then(async (writer) => {
      const { rows } = await writer.run(sweep, [this.#sweptId, limits.idSweepEvents * 2, before]);
      this.#sweptId = String(rows[0]?.last ?? "");
    });
    // The next append tells what is wrong.
    void this.#keep(sweeping.catch(() => {}));
  }

  async #read(sql: string, parameters: readonly unknown[] = []) {
    this.#assertOpen();
    try {
      return (await this.#readers.run(sql, parameters)).rows;
    } catch (error) {
      throw queueFailure(error);
    }
  }

  #keep<Result>(work: Promise<Result>): Promise<Result> {
    this.#running.add(work);
    const forget = () => void this.#running.delete(work);
    work.then(forget, forget);
    return work;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw queueClosed();
  }
}

const backlog = () =>
  new MillraceError("MR_QUEUE_BACKLOG", "The queue holds as much as it may.", {
    retryAfterSeconds: 10,
    remedy: "Look which worker lags: millrace queue status.",
  });

/** The row of `queue` comes first: appends take the locks in the same order. */
const trimSome = `with locked as (select position from queue for update),
  step as (
    select partition, trimmed, least($2, "end") as goal,
      least(greatest(trimmed, trimmed + ${limits.scanEventsMax}), least($2, "end")) as reached
    from partitions, locked where partition = $1),
  gone as (
    delete from events using step where events.partition = $1
      and events.position > step.trimmed and events.position <= step.reached
    returning events.bytes),
  moved as (
    update partitions set trimmed = greatest(partitions.trimmed, step.reached)
    from step where partitions.partition = $1)
  update queue set events = events - (select count(*) from gone),
    bytes = bytes - (select coalesce(sum(bytes), 0) from gone)
  returning (select reached >= goal from step) as done`;

const sweep = `with next as (
    select max(id) as last, count(*) as count from
      (select id from ids where id > $1 order by id limit $2) as page),
  gone as (
    delete from ids using partitions, next
    where ids.id > $1 and ids.id <= next.last and ids.partition = partitions.partition
      and ids.accepted_at < $3 and ids.position <= partitions.trimmed)
  select case when count < $2 then '' else last end as last from next`;
