import type { DeadLetterFilter } from "../../worker/dead-letters.ts";
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
