import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
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
export interface Queue extends Omit<QueueEngine, "append"> {
  /** See `QueueEngine.append`. The receipts are in the order of the events. */
  append(publications: readonly Publication[]): Promise<Receipt[]>;
}

export function createQueue(engine: QueueEngine): Queue {
  const { partitions } = engine;
  const toRequest = (publication: Publication): AppendRequest => {
    checkSizes(publication.event);
    return { partition: partitionOf(publication.event.key, partitions), ...publication };
  };
  return {
    partitions,
    identity: engine.identity,
    append: async (publications) =>
      publications.length === 0 ? [] : await engine.append(publications.map(toRequest)),
    subscribe: (cursors, options) => engine.subscribe(cursors, options),
    ends: () => engine.ends(),
    positionAt: (partition, timeMs) => engine.positionAt(partition, timeMs),
    find: (id, source) => engine.find(id, source),
    trim: (partition, position) => engine.trim(partition, position),
    health: () => engine.health(),
    close: () => engine.close(),
  };
}

/** Ids, sources and keys stand in indexes: past these sizes every page of them gets worse. */
function checkSizes({ id, source, key }: EventRecord): void {
  refuseLong("id", id, limits.idBytesMax);
  refuseLong("source", source, limits.sourceBytesMax);
  refuseLong("key", key, limits.keyBytesMax);
}

function refuseLong(name: string, text: string, bytesMax: number): void {
  // A character takes at most three bytes of UTF-8, so that short ones need no counting.
  const isFine =
    text.length > 0 && (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax);
  if (isFine) return;
  throw new MillraceError(
    "MR_CLOUDEVENT_INVALID",
    `The ${name} of an event has 1 to ${bytesMax} bytes; this one has ${Buffer.byteLength(text)}.`,
    { faults: [{ detail: `1 to ${bytesMax} bytes`, pointer: `#/${name}` }] },
  );
}
