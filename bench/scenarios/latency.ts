import { oneEvent } from "../load/request.ts";
import { measureEffectLatency } from "../measure/effect-latency.ts";
import { latencyOf } from "../measure/histogram.ts";
import { startMillrace } from "../systems/millrace.ts";
import { type Context, type Figures, type Scenario, Skipped } from "./scenario.ts";

const shares = [10, 50, 80] as const;
/** Enough that none is ever waited for below the peak. */
const connections = 64;
/** The generator and who watches for effects are new processes at each rate, and slow at first. */
const leadSeconds = 2;

/** The rates are shares of what 1a reached in the same round. */
async function run({ found, pace, say }: Context): Promise<Figures> {
  const peak = found.get("1a")?.perSecond;
  if (peak === undefined) throw new Skipped("it needs what 1a reached in the same run");
  await using system = await startMillrace({ app: "light", gateways: 1, through: "gateway" });
  const files = await Promise.all(["a", "b"].map((worker) => system.databaseFile(worker)));
  const measure = (share: number, seconds: number) => {
    const rate = { perSecond: (peak * share) / 100, seconds, leadSeconds };
    return measureEffectLatency(system, { request: oneEvent, ...rate, connections, files });
  };
  await measure(50, pace.warmSeconds);
  const figures: Record<string, number> = { peakPerSecond: peak };
  for (const share of shares) {
    const measured = await measure(share, pace.latencySeconds);
    const [answer, effect] = [latencyOf(measured.answers), latencyOf(measured.effects)];
    const { cpuUs, busyCores } = measured;
    for (const name of ["p50", "p99", "p999", "max"] as const) {
      figures[`${share}% effect ${name}Ms`] = effect[name];
      figures[`${share}% answer ${name}Ms`] = answer[name];
    }
    figures[`${share}% cpuUs`] = cpuUs;
    figures[`${share}% busyCores`] = busyCores;
    const { p50, p99, p999, max } = effect;
    const times = [p50, p99, p999, max].map((ms) => ms.toFixed(1)).join(" / ");
    const cost = `${cpuUs.toFixed(0)} µs of processor time each, ${busyCores.toFixed(1)} cores busy`;
    say(`at ${share}% of the peak, to the effects: p50 / p99 / p99.9 / max ${times} ms; ${cost}`);
  }
  return figures;
}

export const latencyScenario: Scenario = {
  id: "3",
  title: "latency from request to each effect at 10%, 50%, 80% of the peak of 1a",
  run,
};
