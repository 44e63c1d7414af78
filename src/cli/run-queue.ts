import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { version } from "../lib/version.ts";
import type { Flags } from "../runtime/config.ts";
import { Steering } from "../worker/steering.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";
import { caller, openWorkers } from "./worker-view.ts";

interface Call {
  readonly worker: string;
  readonly partition?: string;
  readonly flags: Flags;
  readonly output: Output;
}

/** Stops a worker's partitions or lets them go on. */
export async function setPaused(call: Call & { readonly isPaused: boolean }): Promise<ExitCode> {
  const { worker, partition, isPaused, flags, output } = call;
  await using opened = await openWorkers(flags, worker);
  const [{ database } = { database: undefined }] = opened.workers;
  if (database === undefined) return 1;
  const steering = new Steering(database, caller());
  const known = (await steering.status()).map((status) => status.partition);
  const meant = partition === undefined ? "all" : partitionsOf(partition, known);
  const count = await steering.setPaused(meant, isPaused);
  const did = isPaused ? "paused" : "going on";
  if (output.json) output.value({ worker, isPaused, partitions: meant, changed: count }, 0);
  else if (count === 0) output.line(`${worker}: nothing changed, all of it is ${did} already.`);
  else
    output.line(`${worker}: ${count} ${count === 1 ? "partition is" : "partitions are"} ${did}.`);
  if (isPaused) output.progress(`Let it go on: millrace queue resume ${worker}`);
  return 0;
}

/** Makes dead letters of what is passed over. */
export async function skipEvents(
  call: Call & { readonly events: string; readonly key?: string },
): Promise<ExitCode> {
  const { worker, partition, key, flags, output } = call;
  if ((partition === undefined) === (key === undefined)) {
    throw new MillraceError("MR_USAGE", "Say what is passed over: --partition or --key.");
  }
  await using opened = await openWorkers(flags, worker);
  const [{ database } = { database: undefined }] = opened.workers;
  if (database === undefined) return 1;
  const steering = new Steering(database, caller());
  const by = `millrace ${version}`;
  let skipped: readonly string[];
  if (key !== undefined) {
    const id = await steering.skipHead(key, by, systemClock.now());
    if (id === undefined) {
      throw new MillraceError(
        "MR_EVENT_NOT_FOUND",
        `No event of the key ${key} waits to be retried.`,
        {
          remedy:
            "A dead letter that holds its key is retried or discarded: millrace dead-letters.",
        },
      );
    }
    skipped = [id];
  } else {
    const statuses = await steering.status();
    const [wanted = -1] = partitionsOf(
      partition ?? "",
      statuses.map((status) => status.partition),
    );
    const [queue, count] = [await opened.queue(), countOf(call.events)];
    skipped = await steering.skipNext(queue, wanted, count, by, systemClock.now());
  }
  if (output.json) output.value({ worker, skipped }, 0);
  else if (skipped.length === 0) output.line("There is nothing to pass over.");
  else output.line(`Passed over, and dead letters now: ${skipped.join(", ")}`);
  return 0;
}

function partitionsOf(text: string, known: readonly number[]): number[] {
  const numbers = text.split(",").map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : -1));
  if (numbers.every((number) => known.includes(number))) return numbers;
  throw new MillraceError("MR_USAGE", `--partition is ${text}.`, {
    remedy: `There are the partitions 0 to ${known.length - 1}.`,
  });
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1 && count <= limits.passEventsMax) return count;
  throw new MillraceError("MR_USAGE", `--events is ${text}.`, {
    remedy: `It takes a whole number from 1 to ${limits.passEventsMax}.`,
  });
}
