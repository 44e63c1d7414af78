import { systemClock } from "../lib/clock.ts";
import type { Flags } from "../runtime/config.ts";
import type { DeadLetterFilter } from "../worker/dead-letters.ts";
import { type FoundLetter, findLetter } from "../worker/redrive.ts";
import type { ChoiceOptions } from "./dead-letters.ts";
import type { Output } from "./output.ts";
import { parseSince } from "./queue-view.ts";
import type { OpenedWorkers } from "./worker-view.ts";

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

/** The one dead letter with the id that was given. */
export const findOne = ({ workers }: OpenedWorkers, call: Call): Promise<FoundLetter> =>
  findLetter(workers, { ...filterOf(call), id: call.id ?? "" }, "Say whose: --worker NAME.");
