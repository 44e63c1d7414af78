import type { NatsConnection } from "@nats-io/transport-node";
import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import type { Random } from "../../lib/random.ts";
import type { Item } from "./appender.ts";
import { type BatchMessage, storeBatch } from "./batch.ts";
import { type Claim, type Claims, claimText } from "./claims.ts";
import { type Elections, LeaderChanged } from "./elections.ts";
import { failureOf, resultUnknown, toMillraceError, tooLarge } from "./failures.ts";
import { packEventsMax, positionOf } from "./pack.ts";
import type { OpenedStream } from "./stream.ts";

/** Where an event stands, and whether it stood there before. */
export interface Placed {
  readonly partition: number;
  readonly position: number;
  readonly duplicate: boolean;
  /** Of the first event, on duplicates. */
  readonly fingerprint?: string;
}

interface Parts {
  readonly nc: NatsConnection;
  readonly stream: OpenedStream;
  readonly claims: Claims;
  readonly elections: Elections;
  readonly clock: Clock;
  readonly random: Random;
  readonly idWindowMs: number;
  /** Throws where this is no longer the stream that was opened. */
  readonly checkIdentity: () => Promise<void>;
}

/** A pack in the making: its items are those of one partition from `first` on. */
interface Pack {
  readonly partition: number;
  readonly items: Item[];
  bytes: number;
}

/** Between two tries: short at first, as most elections that end soon have ended already. */
const pausesMs = [20, 50, 100, 200, 400, 500] as const;

/**
 * Stores events until it is known what became of them. Each try is a batch of its own: packs, and
 * a claim of each id. That nothing is stored twice rests on the claims alone, not on the server's
 * window of remembered message ids: a try that was not answered but stored makes the next one fail,
 * and the claims it finds are its own.
 */
export class BatchWriter {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws MR_QUEUE_FULL, MR_QUEUE_UNAVAILABLE, MR_BODY_TOO_LARGE, MR_RESULT_UNKNOWN, … */
  async write(items: readonly Item[], startMs: number): Promise<void> {
    const { clock, random } = this.#parts;
    const token = random.bytes(9).toString("base64url");
    let left = firstOfEach(items);
    let mayBeStored = false;
    let isOther: unknown;
    let isElected = false;
    for (let attempt = 0; left.length > 0; attempt++) {
      if (isOther !== undefined) throw mayBeStored ? resultUnknown(isOther) : isOther;
      try {
        await this.#store(left, token, attempt);
        return;
      } catch (error) {
        const failure = failureOf(error);
        mayBeStored ||= failure === "unknown";
        if (failure === "final") throw mayBeStored ? resultUnknown(error) : toMillraceError(error);
        if (failure === "known") {
          const before = left.length;
          left = await this.#withoutKnown(left, token).catch(() => left);
          if (left.length < before) continue;
        }
        isElected = error instanceof LeaderChanged;
        const isLate = clock.monotonic() - startMs > limits.natsRetryMs;
        if (isLate) throw mayBeStored ? resultUnknown(error) : toMillraceError(error, "none");
      }
      // Beside the next try, which it must not hold up: who asks in an election waits for it.
      this.#parts.checkIdentity().catch((error) => {
        isOther = error;
      });
      const pauseMs = pausesMs[Math.min(attempt, pausesMs.length - 1)] ?? 0;
      await clock.sleep(isElected ? limits.natsElectedPauseMs : pauseMs);
    }
  }

  async #store(items: readonly Item[], token: string, attempt: number): Promise<void> {
    const { elections, nc, stream } = this.#parts;
    const packs = this.#packsOf(items);
    const messages = this.#messagesOf(packs, token);
    const id = `${token}-${attempt}`;
    const timeoutMs = attempt === 0 ? limits.natsRequestMs : limits.natsRetryRequestMs;
    const storing = storeBatch(nc, stream.name, id, messages, timeoutMs);
    const first = await elections.during(storing);
    for (const [at, pack] of packs.entries()) {
      for (const [place, item] of pack.items.entries()) {
        const position = positionOf(first + at, place);
        item.settle({ partition: pack.partition, position, duplicate: false });
      }
    }
  }

  /** One pack for each partition; more where their bytes go beyond one message. */
  #packsOf(items: readonly Item[]): Pack[] {
    const bytesMax = (this.#parts.nc.info?.max_payload ?? 1_048_576) - limits.natsHeaderBytesMax;
    const packs: Pack[] = [];
    const open = new Map<number, Pack>();
    for (const item of items) {
      const { partition } = item.request;
      const { length } = item.bytes;
      if (length > bytesMax) throw tooLarge(`${length} bytes, of at most ${bytesMax}`);
      let pack = open.get(partition);
      if (
        pack === undefined ||
        pack.bytes + length > bytesMax ||
        pack.items.length === packEventsMax
      ) {
        pack = { partition, items: [], bytes: 0 };
        packs.push(pack);
        open.set(partition, pack);
      }
      pack.items.push(item);
      pack.bytes += length;
    }
    return packs;
  }

  #messagesOf(packs: readonly Pack[], token: string): BatchMessage[] {
    const { stream, idWindowMs } = this.#parts;
    const claimSeconds = Math.ceil(idWindowMs / 1_000);
    const messages: BatchMessage[] = packs.map(({ partition, items }) => ({
      subject: stream.subjects.pack(partition, items.length),
      data: Buffer.concat(items.map(({ bytes }) => bytes)),
    }));
    for (const [at, { partition, items }] of packs.entries()) {
      for (const [place, { request }] of items.entries()) {
        const { id, source } = request.event;
        const distance = messages.length - at;
        const { fingerprint } = request;
        const data = claimText(token, distance, place, partition, source, fingerprint);
        messages.push({ subject: stream.subjects.claim(id, source), data, claimSeconds });
      }
    }
    return messages;
  }

  /** Settles the events whose ids are claimed already. @returns the others. */
  async #withoutKnown(items: readonly Item[], token: string): Promise<readonly Item[]> {
    const claims = await Promise.all(
      items.map(({ request: { event } }) => this.#parts.claims.of(event.id, event.source)),
    );
    for (const [at, item] of items.entries()) {
      const claim = claims[at];
      if (claim !== undefined) item.settle(placedBy(claim, token));
    }
    return items.filter((_, at) => claims[at] === undefined);
  }
}

function placedBy(claim: Claim, token: string): Placed {
  const { partition, position, fingerprint } = claim;
  if (claim.token === token) return { partition, position, duplicate: false };
  const known = { partition, position, duplicate: true };
  return fingerprint === undefined ? known : { ...known, fingerprint };
}

/** Calls that meet in one batch may carry the same id: those behind the first follow it. */
function firstOfEach(items: readonly Item[]): readonly Item[] {
  const firsts = new Map<string, { item: Item; behind: Item[] }>();
  for (const item of items) {
    const { id, source } = item.request.event;
    const name = JSON.stringify([source, id]);
    const known = firsts.get(name);
    if (known === undefined) firsts.set(name, { item, behind: [] });
    else known.behind.push(item);
  }
  if (firsts.size === items.length) return items;
  return [...firsts.values()].map(({ item, behind }) => ({
    ...item,
    settle(placed: Placed) {
      item.settle(placed);
      const { fingerprint } = item.request;
      const { partition, position } = placed;
      const again: Placed = {
        ...(fingerprint === undefined ? {} : { fingerprint }),
        ...{ partition, position },
        ...(placed.duplicate ? placed : {}),
        duplicate: true,
      };
      for (const follower of behind) follower.settle(again);
    },
  }));
}
