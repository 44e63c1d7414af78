import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Flags } from "../runtime/config.ts";
import type { DeadLetterFilter } from "../worker/dead-letters.ts";
import { type FoundLetter, findLetter } from "../worker/redrive.ts";
import type { ChoiceOptions } from "./dead-letters.ts";
import type { Output } from "./output.ts";
import { parsePast } from "./queue-view.ts";
import { caller, type OpenedWorkers } from "./worker-view.ts";

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
    ...(fingerprint === undefined ? {} : { fingerprint: checkedFingerprint(fingerprint) }),
    ...(since === undefined ? {} : { since: parsePast("--since", since, now) }),
    ...(until === undefined ? {} : { until: parsePast("--until", until, now) }),
  };
}

/** Whether anything says which ones are meant. */
export const isChosen = ({ id, worker, type, key, fingerprint, since, until }: Call): boolean =>
  [id, worker, type, key, fingerprint, since, until].some((given) => given !== undefined);

function checkedFingerprint(text: string): string {
  if (/^[0-9a-f]{16}$/.test(text)) return text;
  throw new MillraceError("MR_USAGE", `--fingerprint is ${JSON.stringify(text)}.`, {
    remedy: "It takes 16 hexadecimal digits, as millrace dead-letters list --group tells them.",
  });
}

/** The one dead letter with the id that was given. */
export const findOne = ({ workers }: OpenedWorkers, call: Call): Promise<FoundLetter> =>
  findLetter(
    workers,
    { ...filterOf(call), id: call.id ?? "" },
    { remedy: "Say whose: --worker NAME.", who: caller() },
  );
