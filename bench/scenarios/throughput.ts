import { oneEvent, type RequestPlan } from "../load/request.ts";
import { measureThroughput, type Throughput } from "../measure/throughput.ts";
import { type AppName, type MillraceOptions, startMillrace } from "../systems/millrace.ts";
import { startPeer } from "../systems/peer.ts";
import type { SystemUnderTest } from "../systems/system.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";

const lines: RequestPlan = { ...oneEvent, kind: "lines", events: 200 };

/** With 200 events in each request, these are enough to keep every box busy. */
const connectionsWithLines = 16;

/** The figures of a throughput, flat. */
export function figuresOf(result: Throughput): Figures {
  const { perSecond, events, answerMs, cpuUsPerEvent } = result;
  const cpu = Object.entries(cpuUsPerEvent);
  const own = cpu.filter(([name]) => name !== "generator");
  return {
    perSecond,
    ofCeiling: result.ofCeiling,
    ofMachine: result.ofMachine,
    acceptedPerSecond: result.acceptedPerSecond,
    events,
    drainMs: result.drainMs,
    answerP50Ms: answerMs.p50,
    answerP99Ms: answerMs.p99,
    residentBytes: result.residentBytes,
    cpuUs: own.reduce((sum, [, us]) => sum + us, 0),
    ...Object.fromEntries(cpu.map(([name, us]) => [`cpuUs ${name}`, us])),
  };
}

export interface ThroughputOptions {
  readonly connections?: number;
  /** Processes that share the requests: each of them has to see enough of them to be warm. */
  readonly sharedBy?: number;
}

export async function throughputOf(
  system: SystemUnderTest,
  request: RequestPlan,
  { pace, ceiling, say }: Context,
  { connections, sharedBy = 1 }: ThroughputOptions = {},
): Promise<Figures> {
  const { turns, seconds } = pace;
  const warmSeconds = pace.warmSeconds * sharedBy;
  const plan = {
    request,
    turns,
    seconds,
    warmSeconds,
    ...(connections !== undefined && { connections }),
  };
  const figures = figuresOf(await measureThroughput(system, plan, ceiling));
  say(throughputText(figures));
  return figures;
}

function throughputText(figures: Figures): string {
  const cpu = Object.entries(figures)
    .filter(([name]) => name.startsWith("cpuUs "))
    .map(([name, us]) => `${name.slice("cpuUs ".length)} ${us.toFixed(1)}`);
  const rate = Math.round(figures.perSecond ?? 0).toLocaleString("en");
  const share = (figures.ofCeiling ?? 0).toFixed(2);
  return `${rate}/s, ${share} of bare Fastify   CPU µs each: ${(figures.cpuUs ?? 0).toFixed(1)} (${cpu.join(", ")})`;
}

const ours = (
  id: string,
  title: string,
  app: AppName,
  request: RequestPlan,
  options: Partial<MillraceOptions>,
  sharedBy = 1,
): Scenario => ({
  id,
  title,
  run: async (context) => {
    await using system = await startMillrace({ app, ...options });
    const connections = request.kind === "lines" ? { connections: connectionsWithLines } : {};
    return await throughputOf(system, request, context, { ...connections, sharedBy });
  },
});

const one = { gateways: 1, through: "gateway" } as const;

/** The processes that share the requests where so many gateways stand behind the balancer. */
export const balancerAnd = (gateways: number): number => 1 + gateways;

/** Bare Fastify, on a Unix socket as a gateway is, and the scenarios of throughput. */
export const throughputScenarios: readonly Scenario[] = [
  {
    id: "fastify",
    title: "bare Fastify with a JSON-schema body, straight: the ceiling",
    fullOnly: true,
    run: async (context) => {
      await using system = await startPeer({ name: "Fastify", front: "bare-fastify.ts" });
      return await throughputOf(system, oneEvent, context);
    },
  },
  ours(
    "1a",
    "one event a request, light handlers, straight to one gateway",
    "light",
    oneEvent,
    one,
  ),
  ours(
    "1b",
    "the same, the whole picture through the load balancer",
    "light",
    oneEvent,
    { gateways: 2, through: "balancer" },
    balancerAnd(2),
  ),
  ours("1c", "one event a request, real handlers, straight to one gateway", "real", oneEvent, one),
  ours("2a", "200 events a request (NDJSON), light handlers", "light", lines, one),
  ours("2b", "the same, handlers in their batch form", "batch", lines, one),
];
