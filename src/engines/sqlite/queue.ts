import { setImmediate } from "node:timers/promises";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { assert, isMillraceError, type MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { Doorbell } from "../../queue/doorbell.ts";
import type {
  AppendRequest,
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
import type { EventAttributes } from "../../system/event-record.ts";
import { Ballast } from "./queue-ballast.ts";
import { QueueBell } from "./queue-bell.ts";
import type { AppendAnswer, AppendField, WriterState } from "./queue-protocol.ts";
import { QueueReader } from "./queue-reader.ts";
import { QueueReading } from "./queue-reading.ts";
import { attributesText } from "./queue-rows.ts";
import { readSeal, writeSeal } from "./queue-seal.ts";
import { WriterLink } from "./queue-writer-link.ts";

export interface SqliteQueueOptions {
  /** Where the queue's files are or will be; its own, on a local disk. */
  readonly folder: string;
  /** For a new queue; one that is there keeps what it was created with. */
  readonly partitions?: number;
  readonly clock?: Clock;
  readonly idWindowMs?: number;
  readonly ballastBytes?: number;
  readonly diskLowBytes?: number;
  readonly storedBytesMax?: number;
  readonly busyTimeoutMs?: number;
  /**
   * Called once, when an I/O error left it unknown what is on the disk. Nothing is accepted any
   * more: the process should exit with a status other than 0, and be started anew.
   */
  readonly onFatal?: (error: MillraceError) => void;
}

/**
 * The embedded queue: one SQLite file, shared by all processes of this machine. A receipt means
 * that the event is on the disk.
 *
 * @throws MR_DATA_NEWER, MR_DATA_DAMAGED: the files were left as they were
 * @throws MR_DATA_UNUSABLE, MR_SQLITE_VERSION, MR_QUEUE_UNAVAILABLE
 */
export async function openSqliteQueue(options: SqliteQueueOptions): Promise<QueueEngine> {
  const { folder, clock = systemClock } = options;
  const partitions = options.partitions ?? limits.partitions;
  assert(
    partitions >= 1 && partitions <= limits.partitionsMax,
    "a queue has 1 to 1,024 partitions",
  );
  const diskLowBytes = options.diskLowBytes ?? limits.diskLowBytes;
  const settings = {
    folder,
    partitions,
    nowMs: clock.now(),
    idWindowMs: options.idWindowMs ?? limits.idWindowMs,
    diskLowBytes,
    storedBytesMax: options.storedBytesMax ?? limits.queueBytesMax,
    busyTimeoutMs: options.busyTimeoutMs ?? limits.busyTimeoutMs,
  };
  const writer = await WriterLink.start(settings, options.onFatal ?? (() => {}));
  const ballastBytes = options.ballastBytes ?? limits.ballastBytes;
  const ballast = new Ballast(folder, ballastBytes, diskLowBytes, clock);
  return new SqliteQueue({ folder, clock, writer, ballast });
}

interface Parts {
  readonly folder: string;
  readonly clock: Clock;
  readonly writer: WriterLink;
  readonly ballast: Ballast;
}

class SqliteQueue implements QueueEngine {
  readonly partitions: number;
  readonly identity: string;
  readonly seal: string | undefined;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #writer: WriterLink;
  readonly #ballast: Ballast;
  readonly #reader: QueueReader;
  readonly #doorbell: Doorbell;
  readonly #bell: QueueBell;
  readonly #subscriptions = new Set<Subscription>();
  #closing: Promise<void> | undefined;

  constructor({ folder, clock, writer, ballast }: Parts) {
    this.partitions = writer.ready.partitions;
    this.identity = writer.ready.identity;
    this.seal = readSeal(folder);
    this.#folder = folder;
    this.#clock = clock;
    this.#writer = writer;
    this.#ballast = ballast;
    this.#reader = new QueueReader(folder);
    this.#doorbell = new Doorbell(clock);
    this.#bell = new QueueBell(folder, this.#doorbell);
  }

  async append(requests: readonly AppendRequest[]): Promise<Receipt[]> {
    this.#assertOpen();
    if (requests.length === 0) return [];
    const fields = fieldsOf(requests);
    try {
      const nowMs = this.#clock.now();
      const answer = await this.#writer.request({ kind: "append", nowMs, fields });
      this.#doorbell.ring();
      this.#ballast.restore();
      return receiptsOf(requests, answer);
    } catch (error) {
      if (isMillraceError(error, "MR_QUEUE_FULL")) this.#ballast.mayBeGone();
      throw error;
    }
  }

  subscribe(cursors: ReadonlyMap<number, number>, options: SubscribeOptions = {}): Subscription {
    this.#assertOpen();
    this.#bell.listen();
    const reading = new QueueReading(this.#reader, cursors, options.types);
    const subscription = new WaitingSubscription(reading, {
      doorbell: this.#doorbell,
      clock: this.#clock,
      lookMs: () => this.#bell.lookMs,
      onClose: () => this.#subscriptions.delete(subscription),
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ends(): Promise<ReadonlyMap<number, number>> {
    this.#assertOpen();
    return new Map(this.#reader.bounds().map(({ partition, end }) => [partition, end]));
  }

  async positionAt(partition: number, timeMs: number): Promise<number> {
    this.#assertOpen();
    const before = this.#reader.positionBefore(timeMs);
    const { end = 0, trimmed = 0 } =
      this.#reader.bounds().find((one) => one.partition === partition) ?? {};
    if (before >= end) return end;
    for (let upTo = before; upTo > trimmed; upTo -= limits.scanEventsMax) {
      const after = Math.max(trimmed, upTo - limits.scanEventsMax);
      const last = this.#reader.lastWithin(partition, after, upTo);
      if (last !== undefined) return last;
      await setImmediate();
      this.#assertOpen();
    }
    return trimmed;
  }

  async find(id: string, source?: string): Promise<FoundEvent[]> {
    this.#assertOpen();
    return this.#reader.find(id, source);
  }

  async trim(partition: number, position: number): Promise<void> {
    this.#assertOpen();
    for (let from = -1, done = false; !done; ) {
      const step = { kind: "trim", partition, from, upTo: position } as const;
      ({ reached: from, done } = await this.#writer.request(step));
    }
  }

  async trimmedIds(after: EventName, limit: number): Promise<FoundEvent[]> {
    this.#assertOpen();
    return this.#reader.trimmedIds(after, limit);
  }

  async setSeal(seal: string | undefined): Promise<void> {
    this.#assertOpen();
    writeSeal(this.#folder, seal);
  }

  async health(): Promise<QueueHealth> {
    const nothing = { durable: "disk", storedEvents: 0, storedBytes: 0 } as const;
    if (this.#closing !== undefined) {
      return { status: "fail", detail: "The queue is closed.", ...nothing };
    }
    const { broken } = this.#writer;
    if (broken !== undefined) return { status: "fail", detail: broken.message, ...nothing };
    return healthOf(await this.#writer.request({ kind: "state" }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    this.#bell.close();
    await this.#ballast.close();
    // A reader closed last could not take the WAL away; the writer can.
    this.#reader.close();
    await this.#writer.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw queueClosed();
  }
}

function fieldsOf(requests: readonly AppendRequest[]): AppendField[] {
  const fields: AppendField[] = [];
  let former: EventAttributes | undefined;
  let attributes: string | null = null;
  for (const { partition, event, fingerprint } of requests) {
    const { type, source, id, key, time, data } = event;
    if (event.attributes !== former) {
      former = event.attributes;
      attributes = attributesText(former);
    }
    fields.push(partition, type, source, id, key, time, attributes, data, fingerprint ?? null);
  }
  return fields;
}

function receiptsOf(requests: readonly AppendRequest[], answer: AppendAnswer): Receipt[] {
  const receipts = requests.map(({ partition, event }, at): Receipt => {
    const position = answer.positions[at] ?? 0;
    return { id: event.id, partition, position, durable: "disk", duplicate: false };
  });
  for (const { at, partition, position, fingerprint } of answer.duplicates) {
    const id = requests[at]?.event.id ?? "";
    const known = { id, partition, position, durable: "disk", duplicate: true } as const;
    receipts[at] = fingerprint === null ? known : { ...known, fingerprint };
  }
  return receipts;
}

function healthOf(state: WriterState): QueueHealth {
  const { storedEvents, storedBytes, oldestAcceptedAt, full, freeBytes, walBytes } = state;
  const longWal = walBytes > limits.walBytesMax;
  const detail = full
    ? `Nothing is accepted: the disk has only ${freeBytes} bytes free.`
    : longWal
      ? `The WAL has grown to ${walBytes} bytes: a process has stopped in the middle of reading.`
      : "Events are on this machine's disk when they are accepted.";
  return {
    status: full || longWal ? "warn" : "pass",
    detail,
    durable: "disk",
    storedEvents,
    storedBytes,
    ...(oldestAcceptedAt === null ? {} : { oldestAcceptedAt }),
  };
}
