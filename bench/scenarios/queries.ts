import { type LoadResult, runLoad } from "../load/load.ts";
import { oneEvent, type RequestPlan } from "../load/request.ts";
import { startBehind } from "../systems/fronts.ts";
import { type Millrace, startMillrace } from "../systems/millrace.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";
import { throughputOf } from "./throughput.ts";

const get = (path: string): RequestPlan => ({ kind: "get", path });
const misses = 1_000;

async function run(context: Context): Promise<Figures> {
  const { say, round } = context;
  const fastify = await behindOurs(context);
  await using system = await startMillrace({
    app: "real",
    through: "balancer",
    // All clients of the benchmark are one address.
    environment: { MILLRACE_CONNECTIONS_PER_ADDRESS: String(2 * misses) },
  });
  const hit = await throughputOf(system, get("/b/count?key=u001"), context);
  const miss = await throughputOf(system, get("/b/fresh?key=u001"), context);
  const together = await missTogether(system, `/b/rare?key=r${round}`);
  const loads = await loadsOf(system);
  const allMs = (together.endedUs - together.startedUs) / 1_000;
  say(
    `${misses} concurrent misses of a key: ${loads} load, all answered in ${allMs.toFixed(0)} ms`,
  );
  return {
    ...named("fastify", fastify),
    ...named("hit", hit),
    ...named("miss", miss),
    loads,
    allMs,
  };
}

const named = (what: string, figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${what} ${name}`, value]));

async function behindOurs(context: Context): Promise<Figures> {
  await using fastify = await startBehind("ours");
  return await throughputOf(fastify, get("/count"), context);
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
  once: true,
  run: async (context) => {
    await using system = await startBehind(balancer);
    return await throughputOf(system, oneEvent, context);
  },
});

/** The balancer by itself, beside HAProxy: both with one bare Fastify behind them. */
export const balancerScenarios: readonly Scenario[] = [
  behind("balancer", "bare Fastify behind our balancer", "ours"),
  behind("haproxy", "bare Fastify behind HAProxy, one thread", "haproxy"),
];
