import { check, type Effect, type Published, violations } from "../drill/checker.ts";
import { inputSource } from "./publisher.ts";
import type { LoggedEvent, Outcome } from "./trial.ts";

/** Every promise that one trial by itself has broken, a sentence each. */
export function brokenPromises(
  { isSettled, events, workers, wrongReceipts }: Outcome,
  typesOf: (worker: string) => ReadonlySet<string>,
): string[] {
  const broken = [...wrongReceipts];
  if (!isSettled) broken.push("it did not come to rest in time; see --patience");
  for (const [worker, { handled, dead, waiting }] of workers) {
    const named = new Map<string, Published>();
    const counts = new Map<string, number>();
    for (const event of events.filter(({ type }) => typesOf(worker).has(type))) {
      const n = (counts.get(event.key) ?? 0) + 1;
      counts.set(event.key, n);
      named.set(nameOf(event), { key: event.key, n, id: event.id });
    }
    const placeOf = (event: Named, at: number): Effect =>
      // One that is not on the queue was invented.
      named.get(nameOf(event)) ?? { key: event.id, n: -at - 1 };
    const kept = {
      parked: waiting.map(placeOf),
      dead: dead.map(({ event }, at) => placeOf(event, at)),
    };
    const verdict = check([...named.values()], handled.map(placeOf), kept);
    broken.push(...violations(verdict).map((sentence) => `${worker}: ${sentence}`));
  }
  return broken;
}

type Named = Pick<LoggedEvent, "id" | "source">;

const nameOf = ({ id, source }: Named): string => `${source} ${id}`;

/** Key → its inputs in the order in which a worker has handled them. */
export function inputOrder({ workers }: Outcome): ReadonlyMap<string, string> {
  const orders = new Map<string, string>();
  for (const [worker, { handled }] of workers) {
    for (const { key, id, source } of handled) {
      if (source !== inputSource) continue;
      const name = `${worker} ${key}`;
      orders.set(name, `${orders.get(name) ?? ""} ${id}`.trim());
    }
  }
  return orders;
}
