import { MillraceError } from "../lib/errors.ts";

/**
 * Reads `--limit`.
 *
 * @throws MR_USAGE
 */
export function limitOf(text: string, max: number): number {
  const limit = Number(text);
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= max) return limit;
  throw new MillraceError("MR_USAGE", `--limit is ${text}.`, {
    remedy: `It takes a whole number from 1 to ${max}.`,
  });
}
