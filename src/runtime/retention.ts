import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import { peerToken } from "../lib/http/peer-token.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Applied, RetentionLimits } from "../queue/retention.ts";
import type { Progress } from "../worker/link.ts";
import type { Config } from "./config.ts";
import type { DataFolder } from "./data-folder.ts";
import { createEngines, type Engines } from "./engines.ts";
import type { GatewayPlan } from "./topology.ts";
import { windowsOf } from "./windows.ts";

export interface RetentionOptions {
  readonly config: Config;
  readonly data: DataFolder;
  /** How the workers are reached, as a gateway does. */
  readonly workers: GatewayPlan["workers"];
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps the queue short: now and then asks every worker how far it has come, and lets go of what
 * all have handled and nobody is to have again. Begins after the first interval, and loads what it
 * needs only then, so that it costs nothing while the system starts.
 */
export function keepRetention(options: RetentionOptions): AsyncDisposable {
  const { config, data, clock, log } = options;
  const engines = createEngines({
    config,
    data,
    clock,
    onFatal: (error) => log.error({ err: error }, "the queue cannot be trimmed any more"),
  });
  const stop = new AbortController();
  const loop = (async () => {
    for (;;) {
      await clock.sleep(limits.retentionIntervalMs, stop.signal);
      if (stop.signal.aborted) return;
      await retain(options, engines, stop.signal).catch((thrown) => {
        log.warn({ err: asError(thrown) }, "the queue was not trimmed this time");
      });
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await loop;
      await engines[Symbol.asyncDispose]();
    },
  };
}

async function retain(
  { config, workers, clock, log }: RetentionOptions,
  engines: Engines,
  signal: AbortSignal,
): Promise<void> {
  const [{ retainOnce }, { createHttpWorkerLink }] = await Promise.all([
    import("../queue/retention.ts"),
    import("../worker/http-link.ts"),
  ]);
  const token = peerToken(config.clusterSecret, "worker");
  const applied = workers.map(async ({ name, addresses }): Promise<Applied | undefined> => {
    const link = createHttpWorkerLink(name, addresses, { clock, token });
    try {
      return positionsOf(await link.progress(signal));
    } catch {
      // A worker that cannot be asked may still need everything.
      return undefined;
    } finally {
      await link.close();
    }
  });
  const retention: RetentionLimits = {
    ageMs: windowsOf(config).retention,
    bytesMax: config.retentionBytes,
  };
  const trims = await retainOnce(
    await engines.queue(),
    await Promise.all(applied),
    clock.now(),
    retention,
  );
  if (trims.size > 0) log.debug({ trims: Object.fromEntries(trims) }, "the queue was trimmed");
}

const positionsOf = ({ positions }: Progress): Applied =>
  new Map(Object.entries(positions).map(([partition, position]) => [Number(partition), position]));
