import type { Kysely } from "kysely";
import { limits } from "../lib/limits.ts";
import { type AttemptScope, type Job, prepare } from "./attempt.ts";

/** Runs what handlers prepare: concurrently across keys, in order within a key. */
export async function prepareAll(
  jobs: readonly Job[],
  reader: Kysely<unknown>,
  scope: Pick<AttemptScope, "timeLimits" | "stop">,
): Promise<void> {
  const withPrepare = jobs.filter(({ handler }) => handler.prepare !== undefined);
  if (withPrepare.length === 0) return;
  const lines = [...Map.groupBy(withPrepare, ({ queued }) => queued.event.key).values()];
  const prepareLines = async () => {
    for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
      for (const job of line) await prepare(job, reader, scope);
    }
  };
  const concurrency = Math.min(limits.prepareConcurrencyMax, lines.length);
  await Promise.all(Array.from({ length: concurrency }, prepareLines));
}
