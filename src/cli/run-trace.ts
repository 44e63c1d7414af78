import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { type Flags, parseConfig } from "../runtime/config.ts";
import { existingDataFolder } from "../runtime/data-folder.ts";
import { createEngines } from "../runtime/engines.ts";
import type { SpanStore } from "../tracing/span-store.ts";
import { tracesOfEvent } from "../tracing/trace-of-event.ts";
import { type Waterfall, waterfallOf } from "../tracing/waterfall.ts";
import { waterfallText } from "../tracing/waterfall-text.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

interface Call {
  readonly id: string;
  readonly flags: Flags;
  readonly output: Output;
}

/** Reads the span store itself, so that a trace can be seen when the system does not run. */
export async function runTrace({ id, flags, output }: Call): Promise<ExitCode> {
  const { config } = parseConfig(flags, process.env);
  const data = await existingDataFolder(config.data);
  const onFatal = () => {};
  await using engines = createEngines({ config, data, clock: systemClock, onFatal });
  const traces = await waterfallsOf(await engines.spans(), id);
  if (traces.length === 0) {
    const first = `of each its first ${limits.tracedEventsMax} events`;
    throw new MillraceError("MR_EVENT_NOT_FOUND", `Nothing was recorded of ${id}.`, {
      remedy: `Of a busy system only some requests are traced, ${first}; old traces make room.`,
    });
  }
  if (output.json) {
    output.value({ id, traces });
    return 0;
  }
  const { columns } = process.stdout;
  const options = {
    ...(columns === undefined ? {} : { columns }),
    ascii: process.env.TERM === "dumb",
    color: output.hasColor,
  };
  output.line(traces.map((trace) => waterfallText(trace, options)).join("\n\n"));
  return 0;
}

async function waterfallsOf(store: SpanStore, id: string): Promise<Waterfall[]> {
  const isTraceId = /^[0-9a-f]{32}$/.test(id);
  const traces = isTraceId ? [await store.trace(id)] : await tracesOfEvent(store, id);
  return traces.map(waterfallOf).filter((waterfall) => waterfall !== undefined);
}
