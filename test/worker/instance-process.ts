/**
 * One instance of a worker in a process of its own, on the queue and the database of its place. It
 * sends itself a signal where it is told to, between two instructions: a kill of one's own process
 * does not come back, and a stop comes back when somebody lets it go on.
 */
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import type { Kysely } from "kysely";
import { createCache } from "../../src/cache/cache.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { defineSystem, defineWorker, on, Reject } from "../../src/index.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import { type Log, silentLog } from "../../src/lib/log.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { createQueue } from "../../src/queue/queue.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import type { PassPoint } from "../../src/worker/pass-points.ts";
import { touchTable } from "../../src/worker/touch-table.ts";
import { createWorker } from "../../src/worker/worker.ts";
import {
  Counted,
  effectsDatabase,
  Followed,
  failsOnce,
  type InstanceLine,
  type InstanceOptions,
  isFollowed,
  isRejected,
  type Order,
  type Tables,
} from "./instance-app.ts";
import { openDatabase, openQueue } from "./instance-engines.ts";

// A kill would leave the next life to compile everything again.
flushCompileCache();

const { place, instance, ...options }: InstanceOptions = JSON.parse(process.argv[2] ?? "{}");
// Written before the next instruction runs, so that it is told even when that one is the last.
const tell = (line: InstanceLine) => writeSync(1, `${JSON.stringify(line)}\n`);
const fail = ({ message }: Error) => tell({ fatal: message });

let trap = options.trap;
let visits = 0;
function observe(point: PassPoint): void {
  if (trap?.point !== point) return;
  visits += 1;
  if (visits < trap.visit) return;
  const { signal } = trap;
  trap = undefined;
  tell({ at: point });
  process.kill(process.pid, signal);
}

let held: ReadonlySet<number> = new Set();
let release = Promise.withResolvers<void>();
const untilReleased = async (partition: number) => {
  while (held.has(partition)) await release.promise;
};

async function effect(
  event: { type: string; partition: number; data: { key: string; n: number } },
  db: Kysely<Tables>,
): Promise<void> {
  const { owner } = await db
    .selectFrom("millrace_positions")
    .select("owner")
    .where("partition", "=", event.partition)
    .executeTakeFirstOrThrow();
  const row = { type: event.type, ...event.data, instance, owner };
  await db.insertInto("effects").values(row).execute();
}

const count = on<typeof Counted, Tables, typeof Followed, void>(
  Counted,
  {
    emits: [Followed],
    attempts: 100,
    backoff: { firstMs: 4, maxMs: 16 },
    prepare: ({ partition }) => untilReleased(partition),
  },
  async (event, { db, cache, emit }) => {
    const { key, n } = event.data;
    await effect(event, db);
    cache.touch(`key:${key}`);
    if (isFollowed(n)) emit(Followed, { key, n });
    // Only now, so that there is something to undo.
    if (isRejected(n)) throw new Reject("never");
    if (failsOnce(n) && event.attempt === 1) throw new Error("not yet");
  },
);
const follow = on<typeof Followed, Tables>(Followed, (event, { db }) => effect(event, db));

const definition = defineWorker("counter", effectsDatabase, { handlers: [count, follow] });
const log: Log = {
  ...silentLog,
  warn(fields) {
    const { err } = fields as { err?: unknown };
    if (isMillraceError(err, "MR_FENCED")) tell({ fenced: err.message });
    else if (err instanceof Error) tell({ warned: err.message });
  },
};
const database = await openDatabase(place);
const engine = await openQueue(place, fail);
const worker = createWorker({
  system: defineSystem("bench", { accepts: [Counted], workers: [definition] }),
  definition,
  instance,
  version: "bench 1.0.0",
  queue: createQueue(engine, { clock: systemClock }),
  database,
  cache: createCache({
    engine: createMemoryCache({ bytesMax: 1_000_000, clock: systemClock }),
    touches: touchTable(database),
    clock: systemClock,
    ttlMs: 60_000,
  }),
  tracing: noTracing,
  clock: systemClock,
  random: systemRandom,
  log,
  onFatal: fail,
  observe,
  ...(options.leaseTimes === undefined ? {} : { leaseTimes: options.leaseTimes }),
});

async function stop(): Promise<void> {
  await worker.stop();
  await engine.close();
  await database.close();
  process.disconnect();
}

process.on("message", (order: Order) => {
  if (order.stop === true) return void stop();
  if (order.trap !== undefined) {
    trap = order.trap;
    visits = 0;
  }
  held = new Set(order.hold);
  release.resolve();
  release = Promise.withResolvers();
  tell({ heard: true });
});
await worker.start();
