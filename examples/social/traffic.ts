/**
 * Fills the social example with people who follow, post and mention each other, at a given rate.
 *
 *   npm run traffic -- --rate 50 --seconds 60 --url http://localhost:8080 --seed 1
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createClient } from "millrace/client";
import { seededRandom } from "../random.ts";
import type system from "./app.ts";
import { Crowd } from "./crowd.ts";

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "30" },
    url: { type: "string", default: `http://localhost:${process.env.MILLRACE_PORT || 8080}` },
    seed: { type: "string", default: "1" },
  },
});

/** A whole number above 0, or the program ends with a sentence. */
function whole(name: "rate" | "seconds" | "seed"): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`--${name} is ${values[name]}, but must be a whole number above 0.`);
  process.exit(2);
}

const rate = whole("rate");
const seconds = whole("seconds");
const crowd = new Crowd(seededRandom(whole("seed")));
const client = createClient<typeof system>({ url: values.url });

/** So many requests may be under way; beyond it the rate falls, and the line says so. */
const inFlightMax = 200;
const stepMs = process.stderr.isTTY ? 200 : 5_000;

let accepted = 0;
let errors = 0;
let firstError: string | undefined;
const inFlight = new Set<Promise<void>>();

async function post(): Promise<void> {
  try {
    await client.publish("post.published", crowd.post());
    accepted++;
  } catch (error) {
    errors++;
    firstError ??= error instanceof Error ? error.message : String(error);
  }
}

const startedAt = performance.now();
const elapsedSeconds = () => (performance.now() - startedAt) / 1_000;

/** One line that is rewritten on a terminal; elsewhere one line a step. */
function show(isLast = false): void {
  const elapsed = Math.max(elapsedSeconds(), 0.001);
  const left = isLast ? "done" : `${Math.max(0, Math.ceil(seconds - elapsed))} s left`;
  const figures = [
    left,
    `${(accepted / elapsed).toFixed(1)} posts/s of ${rate}`,
    `${accepted} accepted`,
    `${errors} errors`,
  ];
  const line = figures.join("   ");
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${isLast ? "\n" : ""}`);
  else console.error(line);
}

try {
  await client.publishMany("user.followed", crowd.follows());
} catch (error) {
  console.error(`${(error as Error).message} Is the system running? npm start`);
  process.exit(1);
}

const progress = setInterval(show, stepMs);
for (let begun = 0; elapsedSeconds() < seconds; begun++) {
  const dueInMs = (begun / rate - elapsedSeconds()) * 1_000;
  if (dueInMs > 0) await sleep(dueInMs);
  while (inFlight.size >= inFlightMax) await Promise.race(inFlight);
  const request = post().finally(() => inFlight.delete(request));
  inFlight.add(request);
}
await Promise.all(inFlight);
clearInterval(progress);
show(true);
if (firstError !== undefined) {
  console.error(`The first error: ${firstError}`);
  process.exitCode = 1;
}
