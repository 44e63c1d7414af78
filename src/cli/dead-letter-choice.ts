import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Flags } from "../runtime/config.ts";
import {
  type DeadLetterFilter,
  DeadLetters,
  type StoredDeadLetter,
} from "../worker/dead-letters.ts";
import type { ChoiceOptions } from "./dead-letters.ts";
import type { Output } from "./output.ts";
import { parseSince } from "./queue-view.ts";
import type { OpenedWorker, OpenedWorkers } from "./worker-view.ts";

/** What every one of these commands is called with. */
export interface Call extends ChoiceOptions {
  readonly id?: string | undefined;
  readonly flags: Flags;
  readonly output: Output;
}

export function filterOf({ id, type, key, fingerprint, since, until }: Call): DeadLetterFilter {
  const now = systemClock.now();
  return {
    ...(id === undefined ? {} : { id }),
    ...(type === undefined ? {} : { type }),
    ...(key === undefined ? {} : { key }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(since === undefined ? {} : { since: parseSince(since, now) }),
    ...(until === undefined ? {} : { until: parseSince(until, now) }),
  };
}

export interface Found {
  readonly worker: OpenedWorker;
  readonly letters: DeadLetters;
  readonly letter: StoredDeadLetter;
}

/**
 * The one dead letter with an id.
 *
 * @throws MR_EVENT_NOT_FOUND; MR_USAGE where several workers have given up on it
 */
export async function findOne({ workers }: OpenedWorkers, call: Call): Promise<Found> {
  const found: Found[] = [];
  for (const worker of workers) {
    const letters = new DeadLetters(worker.database);
    for (const letter of await letters.list(filterOf(call), 2)) {
      found.push({ worker, letters, letter });
    }
  }
  const [one, other] = found;
  if (one === undefined) {
    throw new MillraceError("MR_EVENT_NOT_FOUND", `There is no dead letter ${call.id ?? ""}.`, {
      remedy: "millrace dead-letters list tells those that there are.",
    });
  }
  if (other === undefined) return one;
  const names = [...new Set(found.map(({ worker }) => worker.name))].join(", ");
  throw new MillraceError("MR_USAGE", `${call.id} is a dead letter of ${names}.`, {
    remedy: "Say whose is meant: --worker NAME.",
  });
}
