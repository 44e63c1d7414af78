/**
 * Decides whether a run kept the promises: from what was attempted, what was accepted, and what
 * came of it at one worker. Plain data in, findings out; the faults are somebody else's business.
 */

/** What the publisher of one key did, in its order. */
export interface Published {
  readonly key: string;
  readonly n: number;
  /** The receipt's id; undefined where no request of it was ever answered with one. */
  readonly id: string | undefined;
}

/** What one worker has committed, in the order of its commits. */
export interface Effect {
  readonly key: string;
  readonly n: number;
}

/** What a worker keeps of events that it has not handled or has given up on. */
export interface Kept {
  readonly parked: readonly Effect[];
  readonly dead: readonly Effect[];
}

export interface Verdict {
  readonly attempted: number;
  readonly accepted: number;
  readonly effects: number;
  /** Accepted, and neither an effect nor kept. */
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** Never attempted. */
  readonly invented: readonly string[];
  /** Came before one of its key that was accepted earlier. */
  readonly outOfOrder: readonly string[];
  /** Attempted without an answer, and there: allowed. */
  readonly recovered: number;
  /** Waiting for their next attempt, or behind one that does. */
  readonly parked: number;
  readonly dead: readonly string[];
}

const nameOf = ({ key, n }: Effect): string => `${key}-${n}`;

export function check(
  published: readonly Published[],
  effects: readonly Effect[],
  kept: Kept = { parked: [], dead: [] },
): Verdict {
  const attempted = new Set(published.map(nameOf));
  const accepted = published.filter(({ id }) => id !== undefined).map(nameOf);
  const counts = new Map<string, number>();
  for (const effect of effects) {
    counts.set(nameOf(effect), (counts.get(nameOf(effect)) ?? 0) + 1);
  }
  const elsewhere = new Set([...kept.parked, ...kept.dead].map(nameOf));
  const isThere = (name: string) => counts.has(name) || elsewhere.has(name);
  const acceptedNames = new Set(accepted);
  return {
    attempted: attempted.size,
    accepted: acceptedNames.size,
    effects: effects.length,
    lost: accepted.filter((name) => !isThere(name)),
    doubled: [...counts].filter(([, count]) => count > 1).map(([name]) => name),
    invented: [...counts.keys()].filter((name) => !attempted.has(name)),
    outOfOrder: outOfOrder(effects),
    recovered: [...counts.keys()].filter((name) => !acceptedNames.has(name)).length,
    parked: kept.parked.length,
    dead: kept.dead.map(nameOf),
  };
}

/** Every key's numbers were published one after the other, so its effects must grow. */
function outOfOrder(effects: readonly Effect[]): string[] {
  const last = new Map<string, number>();
  const found: string[] = [];
  for (const effect of effects) {
    const before = last.get(effect.key) ?? Number.NEGATIVE_INFINITY;
    if (effect.n < before) found.push(nameOf(effect));
    last.set(effect.key, Math.max(before, effect.n));
  }
  return found;
}

/** A sentence for each promise that was not kept. */
export function violations({ lost, doubled, invented, outOfOrder }: Verdict): string[] {
  const tell = (what: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${names.length} ${what}: ${names.slice(0, 5).join(", ")}`];
  return [
    ...tell("lost", lost),
    ...tell("doubled", doubled),
    ...tell("invented", invented),
    ...tell("out of order", outOfOrder),
  ];
}
