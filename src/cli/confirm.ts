import { createInterface } from "node:readline/promises";
import { MillraceError } from "../lib/errors.ts";

/**
 * Asks a person; no is the default.
 *
 * @throws MR_USAGE where nobody can be asked
 */
export async function confirm(question: string, remedy: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new MillraceError("MR_USAGE", `"${question}" takes a confirmation.`, { remedy });
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}
