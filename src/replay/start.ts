import { MillraceError } from "../lib/errors.ts";
import type { Queue } from "../queue/queue.ts";
import { formatPlace, type Place } from "../worker/link.ts";

/** Where a replay begins: the oldest event, a time in milliseconds since 1970, or an event. */
export type ReplayFrom = "start" | number | Place;

/**
 * Partition → the position behind which the replay begins. An event's place stands for itself in
 * its partition, and in the others for the time at which it was accepted.
 *
 * @throws MR_REPLAY_TRIMMED where the queue no longer has everything from then on
 * @throws MR_EVENT_NOT_FOUND where there is no event at the place
 */
export async function startOf(queue: Queue, from: ReplayFrom): Promise<Map<number, number>> {
  const oldest = await positionsAt(queue, 0);
  const { oldestAcceptedAt } = await queue.health();
  const isTrimmed = [...oldest.values()].some((position) => position > 0);
  const timeMs = typeof from === "number" ? from : from === "start" ? 0 : undefined;
  if (isTrimmed && timeMs !== undefined && timeMs < (oldestAcceptedAt ?? 0)) {
    throw trimmed(oldestAcceptedAt ?? 0);
  }
  if (timeMs !== undefined) return await positionsAt(queue, timeMs);
  const place = from as Place;
  if (place.position <= (oldest.get(place.partition) ?? 0) && isTrimmed) {
    throw trimmed(oldestAcceptedAt ?? 0);
  }
  const acceptedAt = await acceptedAtPlace(queue, place);
  return (await positionsAt(queue, acceptedAt)).set(place.partition, place.position - 1);
}

async function positionsAt(queue: Queue, timeMs: number): Promise<Map<number, number>> {
  const positions = new Map<number, number>();
  for (let partition = 0; partition < queue.partitions; partition++) {
    positions.set(partition, await queue.positionAt(partition, timeMs));
  }
  return positions;
}

async function acceptedAtPlace(queue: Queue, place: Place): Promise<number> {
  const { partition, position } = place;
  const end = (await queue.ends()).get(partition) ?? 0;
  if (position >= 1 && position <= end) {
    const subscription = queue.subscribe(new Map([[partition, position - 1]]));
    try {
      const [found] = (await subscription.next(1, 0)).events;
      if (found?.position === position) return found.acceptedAt;
    } finally {
      await subscription.close();
    }
  }
  throw new MillraceError("MR_EVENT_NOT_FOUND", `There is no event at ${formatPlace(place)}.`, {
    remedy: "millrace events list --json tells the places of events.",
  });
}

function trimmed(oldestMs: number): MillraceError {
  const oldest = new Date(oldestMs).toISOString();
  return new MillraceError(
    "MR_REPLAY_TRIMMED",
    `The queue has nothing from before ${oldest} any more.`,
    { remedy: `From then on it is complete: --from ${oldest}. Nothing was changed.` },
  );
}
