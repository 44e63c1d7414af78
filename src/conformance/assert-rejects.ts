import { ok, rejects } from "node:assert/strict";
import type { ErrorCodeName } from "../lib/error-codes.ts";
import { isMillraceError } from "../lib/errors.ts";

/** Waits until the promise fails, and holds its error to have the code. */
export const assertRejects = (promise: Promise<unknown>, code: ErrorCodeName): Promise<void> =>
  rejects(promise, (error) => {
    ok(isMillraceError(error, code), `the error is ${code}, not ${error}`);
    return true;
  });
