import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { assert, isMillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { type Random, systemRandom } from "../../lib/random.ts";
import { Doorbell } from "../../queue/doorbell.ts";
import type {
  AppendRequest,
  FoundEvent,
  QueueEngine,
  QueueHealth,
  Receipt,
  SubscribeOptions,
  Subscription,
} from "../../queue/engine.ts";
import { damagedFault, queueClosed } from "../../queue/faults.ts";
import { WaitingSubscription } from "../../queue/waiting-subscription.ts";
import { parseNatsAddress } from "./address.ts";
import { Appender } from "./appender.ts";
import { BatchWriter } from "./batch-writer.ts";
import { type Claim, Claims } from "./claims.ts";
import { Elections } from "./elections.ts";
import { toMillraceError, unavailable } from "./failures.ts";
import { TrimMarks } from "./marks.ts";
import { syncedServers } from "./monitoring.ts";
import { connectTo, openWhenReady, refuseOldServer } from "./opening.ts";
import { eventAt, placeOf, positionOf, sequenceOf } from "./pack.ts";
import { PackSource } from "./pack-source.ts";
import { firstUnread, NatsReading } from "./reading.ts";
import {
  acceptedAtOf,
  identityChanged,
  identityOf,
  infoOf,
  leadsForMs,
  type OpenedStream,
  StreamReads,
  writeSeal,
} from "./stream.ts";

export interface NatsQueueOptions {
  /** `nats://host:port,host:port?replicas=3`; see docs/nats.md. */
  readonly url: string;
  /** For a new queue; one that is there keeps what it was created with. */
  readonly partitions?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly idWindowMs?: number;
}

/**
 * The queue on NATS JetStream, used as a replicated log and nothing else: no consumer state, no
 * acknowledgements of messages, no redelivery.
 *
 * @throws MR_CONFIG_INVALID, MR_QUEUE_UNAVAILABLE, MR_QUEUE_IDENTITY, MR_DATA_NEWER
 */
export async function openNatsQueue(options: NatsQueueOptions): Promise<QueueEngine> {
  const { clock = systemClock, random = systemRandom } = options;
  const { partitions = limits.partitions, idWindowMs = limits.idWindowMs } = options;
  assert(
    partitions >= 1 && partitions <= limits.partitionsMax,
    "a queue has 1 to 1,024 partitions",
  );
  const address = parseNatsAddress(options.url);
  const nc = await connectTo(address);
  try {
    refuseOldServer(nc);
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: limits.natsRequestMs });
    const identity = random.bytes(16).toString("hex");
    const stream = await openWhenReady(jsm, address, partitions, identity, clock);
    const synced = await syncedServers(address);
    return new NatsQueue({ nc, jsm, stream, synced, clock, random, idWindowMs });
  } catch (error) {
    await nc.close();
    throw toMillraceError(error, "none");
  }
}

interface Parts {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: OpenedStream;
  /** Whether every server syncs before it acknowledges; undefined where nobody can tell. */
  readonly synced: boolean | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly idWindowMs: number;
}

class NatsQueue implements QueueEngine {
  readonly partitions: number;
  readonly identity: string;
  readonly seal: string | undefined;
  /** Three servers sync a batch, whatever is in it; who was just answered is back by then. */
  readonly gatherShare = 0.25;
  readonly #parts: Parts;
  readonly #reads: StreamReads;
  readonly #claims: Claims;
  readonly #marks: TrimMarks;
  readonly #appender: Appender;
  readonly #subscriptions = new Set<Subscription>();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    const { nc, jsm, stream, clock, random, idWindowMs } = parts;
    this.partitions = stream.partitions;
    this.identity = stream.identity;
    this.seal = stream.seal;
    this.#parts = parts;
    this.#reads = new StreamReads(jsm, stream.name);
    this.#claims = new Claims(this.#reads, stream.subjects);
    this.#marks = new TrimMarks(nc, jsm, this.#reads, stream);
    const checkIdentity = () => this.#checkIdentity();
    const claims = this.#claims;
    const elections = new Elections(nc, stream.name);
    const writer = new BatchWriter({
      nc,
      stream,
      claims,
      elections,
      clock,
      random,
      idWindowMs,
      checkIdentity,
    });
    const { durable, synced } = this.#durability;
    this.#appender = new Appender(writer, clock, ({ event: { id } }, placed) => ({
      id,
      durable,
      ...(synced === undefined ? {} : { synced }),
      ...placed,
    }));
  }

  get #durability(): Pick<Receipt, "durable" | "synced"> {
    const { stream, synced } = this.#parts;
    const durable = `replicated(${stream.replicas})` as const;
    return synced === undefined ? { durable } : { durable, synced };
  }

  async append(requests: readonly AppendRequest[]): Promise<Receipt[]> {
    this.#assertOpen();
    return await this.#appender.append(requests);
  }

  subscribe(cursors: ReadonlyMap<number, number>, options: SubscribeOptions = {}): Subscription {
    this.#assertOpen();
    const { jsm, nc, stream, clock } = this.#parts;
    const doorbell = new Doorbell(clock);
    let isClosed = false;
    const openSource = (ends: ReadonlyMap<number, number>) =>
      new PackSource(
        { jsm, js: jetstream(nc), stream, clock, doorbell },
        [...cursors.keys()],
        firstUnread(cursors, ends) - 1,
      );
    const reading = new NatsReading(
      {
        openSource,
        marks: this.#marks,
        readMarks: () => this.#asking(() => this.#marks.read()),
        clock,
        doorbell,
        ends: () => this.ends(),
        isClosed: () => isClosed,
        checkIdentity: () => this.#checkIdentity(),
      },
      cursors,
      options.types,
    );
    const subscription = new WaitingSubscription(reading, {
      doorbell,
      clock,
      lookMs: () => limits.idleWaitMs,
      onClose: () => {
        isClosed = true;
        reading.close();
        this.#subscriptions.delete(subscription);
      },
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ends(): Promise<ReadonlyMap<number, number>> {
    this.#assertOpen();
    const { clock } = this.#parts;
    const giveUpMs = clock.monotonic() + limits.natsRequestMs;
    return await this.#asking(async () => {
      for (;;) {
        const ends = await this.#endsNow();
        if (ends !== undefined) return ends;
        // A server that is busy is behind for a moment, too; one that is cut off stays it.
        if (this.#closing !== undefined || clock.monotonic() >= giveUpMs) {
          throw unavailable(
            "The server that leads the stream may have been cut off from the others.",
          );
        }
        await clock.sleep(limits.natsReadRetryMs);
      }
    });
  }

  /** Undefined where what was read may not be the newest. */
  async #endsNow(): Promise<ReadonlyMap<number, number> | undefined> {
    const partitions = Array.from({ length: this.partitions }, (_, partition) => partition);
    const untilMs = await this.#leadsUntil();
    // The marks last: what a trim removes in between has its mark before it is gone.
    const ends = await Promise.all(partitions.map((partition) => this.#lastOf(partition)));
    await this.#marks.read();
    // In a stream that was made anew none of these subjects has anything.
    await this.#checkIdentity();
    if (this.#parts.clock.monotonic() >= untilMs) return undefined;
    return new Map(
      partitions.map((partition) => [
        partition,
        Math.max(ends[partition] ?? 0, this.#marks.known(partition)),
      ]),
    );
  }

  /** Until when, by the monotonic clock, what the stream's leader answers is the newest. */
  async #leadsUntil(): Promise<number> {
    const { clock, jsm, nc, stream } = this.#parts;
    const askedMs = clock.monotonic();
    const info = await infoOf(jsm, stream.name);
    if (info === undefined) return Number.POSITIVE_INFINITY;
    return askedMs + leadsForMs(info, nc.info?.server_name);
  }

  async #lastOf(partition: number): Promise<number> {
    const { subjects } = this.#parts.stream;
    const pack = await this.#reads.last(subjects.partition(partition));
    if (pack === null) return 0;
    return positionOf(pack.seq, subjects.packNamed(pack.subject).events - 1);
  }

  /** By halving: the server's times never go back from one message to the next. */
  async positionAt(partition: number, timeMs: number): Promise<number> {
    this.#assertOpen();
    return await this.#asking(async () => {
      const { subjects } = this.#parts.stream;
      const subject = subjects.partition(partition);
      await this.#marks.read();
      const trimmed = this.#marks.known(partition);
      let found = 0;
      let low = sequenceOf(trimmed);
      let high = (await this.#reads.last(subject))?.seq ?? 0;
      while (low <= high) {
        const middle = Math.floor((low + high) / 2);
        const pack = await this.#reads.next(subject, middle);
        if (pack !== null && pack.seq <= high && acceptedAtOf(pack) < timeMs) {
          found = positionOf(pack.seq, subjects.packNamed(pack.subject).events - 1);
          low = pack.seq + 1;
        } else {
          high = middle - 1;
        }
      }
      return Math.max(found, trimmed);
    });
  }

  async find(id: string, source?: string): Promise<FoundEvent[]> {
    this.#assertOpen();
    return await this.#asking(async () => {
      const claims =
        source === undefined
          ? await this.#claims.ofAll(id)
          : [await this.#claims.of(id, source)].filter((claim) => claim !== undefined);
      return await Promise.all(claims.map((claim) => this.#found(id, claim)));
    });
  }

  async #found(id: string, claim: Claim): Promise<FoundEvent> {
    const { token: _, ...place } = claim;
    const { partition, position } = claim;
    const sequence = sequenceOf(position);
    const { subjects } = this.#parts.stream;
    const pack = await this.#reads.next(subjects.partition(partition), sequence);
    await this.#marks.read();
    const isTrimmed = position <= this.#marks.known(partition);
    if (isTrimmed || pack?.seq !== sequence) return { id, ...place };
    const event = eventAt(Buffer.from(pack.data), placeOf(position), partition);
    if (event === undefined) throw damagedFault(partition, position);
    return { id, ...place, acceptedAt: acceptedAtOf(pack), event };
  }

  async trim(partition: number, position: number): Promise<void> {
    this.#assertOpen();
    await this.#asking(async () => {
      const end = await this.#lastOf(partition);
      await this.#marks.trim(partition, Math.min(position, end));
    });
  }

  async setSeal(seal: string | undefined): Promise<void> {
    this.#assertOpen();
    const { jsm, stream } = this.#parts;
    await this.#checkIdentity();
    await this.#asking(() => writeSeal(jsm, stream.name, seal));
  }

  async health(): Promise<QueueHealth> {
    const nothing = { ...this.#durability, storedEvents: 0, storedBytes: 0 };
    if (this.#closing !== undefined) {
      return { ...nothing, status: "fail", detail: "The queue is closed." };
    }
    return await this.#asking(async () => {
      const { jsm, stream } = this.#parts;
      const options = { subjects_filter: stream.subjects.packs };
      const { state } = await jsm.streams.info(stream.name, options);
      await this.#marks.read();
      const packs = Object.entries(state.subjects ?? {});
      const stored = packs.reduce(
        (sum, [subject, count]) => sum + count * stream.subjects.packNamed(subject).events,
        0,
      );
      const oldest = await this.#reads.next(stream.subjects.packs, 1);
      return {
        ...nothing,
        ...healthOf(stream.replicas, this.#parts.synced),
        storedEvents: stored - this.#marks.partial,
        storedBytes: state.bytes,
        ...(oldest === null ? {} : { oldestAcceptedAt: acceptedAtOf(oldest) }),
      };
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#appender.close();
    await this.#parts.nc.close();
  }

  /** @throws MR_QUEUE_IDENTITY where the stream was removed or made anew */
  async #checkIdentity(): Promise<void> {
    const { jsm, stream } = this.#parts;
    try {
      const info = await infoOf(jsm, stream.name);
      if (info !== undefined && identityOf(info) === stream.identity) return;
    } catch {
      // Who cannot answer says nothing about the stream.
      return;
    }
    throw identityChanged(stream.name);
  }

  /** Runs requests that change nothing; what fails is told in the port's words. */
  async #asking<Result>(ask: () => Promise<Result>): Promise<Result> {
    try {
      return await ask();
    } catch (error) {
      if (this.#closing !== undefined) throw queueClosed();
      if (!isMillraceError(error)) await this.#checkIdentity();
      throw toMillraceError(error, "none");
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw queueClosed();
  }
}

function healthOf(
  replicas: number,
  synced: boolean | undefined,
): Pick<QueueHealth, "status" | "detail"> {
  const copies = replicas === 1 ? "on one server only" : `on a majority of ${replicas} servers`;
  const onDisk =
    synced === undefined
      ? "whether on their disks cannot be told without their monitoring"
      : synced
        ? "on their disks"
        : "but not yet on their disks: a power cut can take them";
  return {
    status: "pass",
    detail: `Events are ${copies} when they are accepted, ${onDisk}.`,
  };
}
