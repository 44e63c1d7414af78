import { workerLetters } from "../../tracing/hops.ts";
import { noTracing } from "../../tracing/no-tracing.ts";
import type { Tracing } from "../../tracing/tracing.ts";
import type { BoxContext } from "./box.ts";

/** The tracing of one box. OpenTelemetry's SDK is loaded only where something is traced. */
export async function tracingOf(box: string, context: BoxContext): Promise<Tracing> {
  const { config, workerNames, clock, engines } = context;
  if (!config.tracing) return noTracing;
  const [{ createTracing }, { createSampler }, store] = await Promise.all([
    import("../../tracing/recorder.ts"),
    import("../../tracing/sampler.ts"),
    engines.spans(),
  ]);
  return createTracing({
    store,
    box,
    clock,
    workerLetters: workerLetters(workerNames),
    sampler: createSampler({ clock, begunPerSecondMax: config.tracesPerSecond }),
  });
}
