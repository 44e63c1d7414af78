import { MillraceError } from "../../lib/errors.ts";
import type { DeadLetterFilter } from "../../worker/dead-letters.ts";
import { DeadLetters } from "../../worker/dead-letters.ts";
import type { OpenedWorker } from "../../worker/redrive.ts";
import type { Fields } from "../fields.ts";

/** The names by which dead letters are chosen, in an address or a body. */
export const filterNames = ["worker", "type", "key", "fingerprint", "since", "until"] as const;

export interface Choice {
  readonly worker: string | undefined;
  readonly filter: DeadLetterFilter;
}

export function choiceOf(fields: Fields, nowMs: number): Choice {
  const type = fields.text("type");
  const key = fields.text("key");
  const fingerprint = fields.text("fingerprint", /^[0-9a-f]{16}$/, "16 hexadecimal digits");
  const since = fields.time("since", nowMs);
  const until = fields.time("until", nowMs);
  return {
    worker: fields.text("worker"),
    filter: {
      ...(type === undefined ? {} : { type }),
      ...(key === undefined ? {} : { key }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    },
  };
}

/**
 * How many dead letters are chosen.
 *
 * @throws MR_EVENT_NOT_FOUND where none at all has the fingerprint: it was misread, or all are done
 */
export async function countOf(
  workers: readonly OpenedWorker[],
  filter: DeadLetterFilter,
): Promise<number> {
  const count = await countAll(workers, filter);
  const { fingerprint } = filter;
  if (count > 0 || fingerprint === undefined) return count;
  if ((await countAll(workers, { fingerprint })) > 0) return 0;
  throw new MillraceError(
    "MR_EVENT_NOT_FOUND",
    `No dead letter has the fingerprint ${fingerprint}.`,
    {
      remedy: "GET /dead-letters/groups tells the fingerprints that there are.",
    },
  );
}

async function countAll(
  workers: readonly OpenedWorker[],
  filter: DeadLetterFilter,
): Promise<number> {
  let count = 0;
  for (const { database } of workers) count += await new DeadLetters(database).count(filter);
  return count;
}
