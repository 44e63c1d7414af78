/**
 * Starts the GitHub example as real processes, delivers every payload of GitHub's own examples to
 * it through the load balancer — out of order, many at once, every fifth one twice, some forged —
 * and counts what came of it at both workers. Fails where anything is lost, doubled or invented.
 *
 *   node examples/github/deliver.ts [--seed 1]
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startSystem } from "../running-system.ts";
import { compare } from "./compare.ts";
import { type Delivery, forgeries, planDeliveries, send } from "./deliveries.ts";
import { effectsAt } from "./effects.ts";
import { expectedOf } from "./expectation.ts";

const secret = "the secret of this run";
const concurrentMax = 32;
const forgedCount = 12;

const { values } = parseArgs({ options: { seed: { type: "string", default: "1" } } });
const seed = Number(values.seed);
const plan = planDeliveries(seed);
const expected = expectedOf(plan.distinct);

await using system = await startSystem(fileURLToPath(new URL("./app.ts", import.meta.url)), {
  readyPaths: ["/activity/totals", "/inbox/totals"],
  environment: { GITHUB_WEBHOOK_SECRET: secret },
});

interface Answer {
  readonly status: number;
  readonly receipt: { partition: number; position: number; duplicate?: boolean } | undefined;
}

async function deliver(delivery: Delivery, key: string): Promise<Answer> {
  const response = await send(system.url, delivery, key);
  const body = (await response.json()) as Answer["receipt"];
  return { status: response.status, receipt: response.ok ? body : undefined };
}

/** All of them, never more than a few at once. */
async function deliverAll(deliveries: readonly Delivery[], key: string): Promise<Answer[]> {
  const answers: Answer[] = [];
  const rest = deliveries.values();
  const sender = async () => {
    for (const delivery of rest) answers.push(await deliver(delivery, key));
  };
  await Promise.all(Array.from({ length: concurrentMax }, sender));
  return answers;
}

const forged = forgeries(seed, forgedCount);
const [answers, refusals] = await Promise.all([
  deliverAll(plan.sent, secret),
  deliverAll(forged, "a guess"),
]);
const receipts = answers.flatMap(({ receipt }) => receipt ?? []);
const effects = await effectsAt(system.url, receipts, expected);
const faults = compare(expected, effects);

const accepted = receipts.filter(({ duplicate }) => duplicate !== true).length;
const duplicates = receipts.length - accepted;
const refused = refusals.filter(({ status }) => status === 401).length;
const check = (name: string, found: number, wanted: number) => {
  if (found !== wanted) faults.push(`${name}: ${found}, but should be ${wanted}`);
};
check("accepted", accepted, plan.distinct.length);
check("duplicates", duplicates, plan.sent.length - plan.distinct.length);
check("refused", refused, forged.length);

const line = (name: string, number: number, note = "") =>
  console.log(`${name.padEnd(14)}${String(number).padStart(6)}  ${note}`.trimEnd());
line("delivered", plan.sent.length, `${plan.distinct.length} payloads, seed ${seed}`);
line("accepted", accepted);
line("duplicates", duplicates, "delivered twice, counted once");
line("refused", refused, "signature wrong: 401, nothing stored");
line("effects at A", effects.activities, `in ${effects.feeds.size} feeds`);
line("effects at B", effects.messages, `for ${effects.inboxes.size} people`);
line("lost", faults.filter((fault) => fault.startsWith("lost")).length);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
