import { randomBytes } from "node:crypto";

/** Randomness as the rest of the code sees it: injected, so that a seed replays a run. */
export interface Random {
  /** A number in [0, 1). Not for secrets. */
  fraction(): number;
  /** Unpredictable bytes. */
  bytes(length: number): Buffer;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (length) => randomBytes(length),
};
