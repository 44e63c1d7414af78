import { type LoadResult, runLoad } from "../load/load.ts";
import type { RequestPlan } from "../load/request.ts";
import { measureThroughput } from "../measure/throughput.ts";
import { startBehind } from "../systems/fronts.ts";
import { type Millrace, startMillrace } from "../systems/millrace.ts";
import type { SystemUnderTest } from "../systems/system.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";
import { throughputOf } from "./throughput.ts";

const get = (path: string): RequestPlan => ({ kind: "get", path });
const misses = 1_000;

async function run(context: Context): Promise<Figures> {
  const { pace, say, round } = context;
  const plan = { seconds: pace.seconds, warmSeconds: pace.warmSeconds };
  const rate = async (system: SystemUnderTest, path: string) => {
    const { perSecond, cpuUsPerEvent } = await measureThroughput(system, {
      ...plan,
      request: get(path),
    });
    const cpu = Object.entries(cpuUsPerEvent).map(([name, us]) => `${name} ${us.toFixed(0)}`);
    say(
      `${path}: ${Math.round(perSecond).toLocaleString("en")}/s   CPU µs each: ${cpu.join(", ")}`,
    );
    return perSecond;
  };
  const fastifyPerSecond = await behindOurs(rate);
  await using system = await startMillrace({
    app: "real",
    through: "balancer",
    // All clients of the benchmark are one address.
    environment: { MILLRACE_CONNECTIONS_PER_ADDRESS: String(2 * misses) },
  });
  const hitPerSecond = await rate(system, "/b/count?key=u001");
  const missPerSecond = await rate(system, "/b/fresh?key=u001");
  const together = await missTogether(system, `/b/rare?key=r${round}`);
  const loads = await loadsOf(system);
  const allMs = (together.endedUs - together.startedUs) / 1_000;
  say(
    `${misses} concurrent misses of a key: ${loads} load, all answered in ${allMs.toFixed(0)} ms`,
  );
  return { fastifyPerSecond, hitPerSecond, missPerSecond, loads, allMs };
}

async function behindOurs(rate: (system: SystemUnderTest, path: string) => Promise<number>) {
  await using fastify = await startBehind("ours");
  return await rate(fastify, "/count");
}

/** Each of so many connections sends one request, all at once. */
const missTogether = ({ target }: Millrace, path: string): Promise<LoadResult> =>
  runLoad({ target, request: get(path), connections: misses, seconds: 0, firstNumber: 0 });

async function loadsOf({ port }: Millrace): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/b/loads`);
  return Number(await answer.json());
}

export const queryScenario: Scenario = {
  id: "4",
  title: "queries through the balancer: hit, miss, 1,000 concurrent misses of one key",
  run,
};

const behind = (id: string, title: string, balancer: "ours" | "haproxy"): Scenario => ({
  id,
  title,
  fullOnly: true,
  run: async (context) => {
    await using system = await startBehind(balancer);
    return await throughputOf(system, { kind: "event", path: "/events/note.posted" }, context);
  },
});

/** The balancer by itself, beside HAProxy: both with one bare Fastify behind them. */
export const balancerScenarios: readonly Scenario[] = [
  behind("balancer", "bare Fastify behind our balancer", "ours"),
  behind("haproxy", "bare Fastify behind HAProxy, one thread", "haproxy"),
];
