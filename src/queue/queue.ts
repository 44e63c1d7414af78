import { type Clock, systemClock } from "../lib/clock.ts";
import { assert, isMillraceError, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { fitsBytes, isStorable } from "../lib/text.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { AppendRequest, QueueEngine, Receipt } from "./engine.ts";
import { partitionOf } from "./partition.ts";

/** An event on its way into the queue, with the hash of what its client sent. */
export interface Publication {
  readonly event: EventRecord;
  readonly fingerprint?: string;
}

/**
 * The message queue as the boxes see it: an engine, with what is the same for all engines in front.
 * Events are checked against the limits and given their partitions here.
 */
export interface Queue extends Omit<QueueEngine, "append" | "seal" | "setSeal" | "trimmedIds"> {
  /**
   * See `QueueEngine.append`. The receipts are in the order of the events.
   *
   * @throws MR_CLOUDEVENT_INVALID, MR_BODY_TOO_LARGE besides, where an event is beyond a limit
   */
  append(publications: readonly Publication[]): Promise<Receipt[]>;
}

/** What one append came to, for metrics. */
export interface AppendObservation {
  readonly publications: readonly Publication[];
  readonly durationMs: number;
  /** The receipts, or the stable name of what went wrong. */
  readonly outcome: readonly Receipt[] | string;
}

export interface QueueOptions {
  readonly clock?: Clock;
  readonly observe?: (observation: AppendObservation) => void;
}

export function createQueue(engine: QueueEngine, options: QueueOptions = {}): Queue {
  const { partitions } = engine;
  const { clock = systemClock, observe = () => {} } = options;
  const checkSizes = sizeCheck();
  const toRequest = (publication: Publication): AppendRequest => {
    checkSizes(publication.event);
    return { partition: partitionOf(publication.event.key, partitions), ...publication };
  };
  async function append(publications: readonly Publication[]): Promise<Receipt[]> {
    if (publications.length === 0) return [];
    const requests = publications.map(toRequest);
    const startMs = clock.monotonic();
    const tell = (outcome: AppendObservation["outcome"]) =>
      observe({ publications, durationMs: clock.monotonic() - startMs, outcome });
    try {
      const receipts = await engine.append(requests);
      assert(receipts.length === publications.length, "every event has its receipt");
      tell(receipts);
      return receipts;
    } catch (error) {
      tell(isMillraceError(error) ? error.code : "MR_INTERNAL");
      throw error;
    }
  }
  return {
    partitions,
    identity: engine.identity,
    ...(engine.gatherShare === undefined ? {} : { gatherShare: engine.gatherShare }),
    append,
    subscribe: (cursors, options) => engine.subscribe(cursors, options),
    ends: () => engine.ends(),
    positionAt: (partition, timeMs) => engine.positionAt(partition, timeMs),
    find: (id, source) => engine.find(id, source),
    trim: (partition, position) => engine.trim(partition, position),
    health: () => engine.health(),
    close: () => engine.close(),
  };
}

/**
 * Ids, sources, types and keys stand in indexes and on every page: past these sizes all get worse.
 * Sources and types are looked at where they change: those of most events are the ones before.
 */
function sizeCheck(): (event: EventRecord) => void {
  let lastSource: string | undefined;
  let lastType: string | undefined;
  return ({ id, source, type, key, data }) => {
    refuseLong("id", id, limits.idBytesMax);
    if (source !== lastSource) refuseLong("source", source, limits.sourceBytesMax);
    lastSource = source;
    if (type !== lastType) refuseLong("type", type, limits.nameLengthMax);
    lastType = type;
    refuseLong("key", key, limits.keyBytesMax);
    if (fitsBytes(data, limits.dataBytesMax)) return;
    throw new MillraceError(
      "MR_BODY_TOO_LARGE",
      `The data of an event has at most ${limits.dataBytesMax} bytes; this is ${Buffer.byteLength(data)}.`,
      { faults: [{ detail: `at most ${limits.dataBytesMax} bytes`, pointer: "#/data" }] },
    );
  };
}

function refuseLong(name: string, text: string, bytesMax: number): void {
  if (!isStorable(text)) {
    throw new MillraceError("MR_CLOUDEVENT_INVALID", `The ${name} of an event is no plain text.`, {
      faults: [{ detail: "U+0000 or half of a surrogate pair", pointer: `#/${name}` }],
    });
  }
  if (text.length > 0 && fitsBytes(text, bytesMax)) return;
  throw new MillraceError(
    "MR_CLOUDEVENT_INVALID",
    `The ${name} of an event has 1 to ${bytesMax} bytes; this one has ${Buffer.byteLength(text)}.`,
    { faults: [{ detail: `1 to ${bytesMax} bytes`, pointer: `#/${name}` }] },
  );
}
