/**
 * How the next gateway is chosen: `least-busy` takes the one with the fewest requests in flight and
 * rotates between equals; `round-robin` rotates whatever they are doing.
 */
export type Policy = "least-busy" | "round-robin";

export interface Pickable {
  /** Requests sent to it that are not answered yet. */
  readonly inFlight: number;
}

export type Picker = <Candidate extends Pickable>(
  candidates: readonly Candidate[],
) => Candidate | undefined;

/** A picker remembers only whose turn it is. */
export function createPicker(policy: Policy): Picker {
  let turn = 0;
  const rotate = <Candidate>(candidates: readonly Candidate[]): Candidate | undefined => {
    turn = (turn + 1) % Math.max(candidates.length, 1);
    return candidates[turn];
  };
  if (policy === "round-robin") return rotate;
  return (candidates) => {
    let best = rotate(candidates);
    for (let step = 1; step < candidates.length; step++) {
      const candidate = candidates[(turn + step) % candidates.length];
      if (candidate && best && candidate.inFlight < best.inFlight) best = candidate;
    }
    return best;
  };
}
