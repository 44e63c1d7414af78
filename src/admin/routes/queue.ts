import type { DatabaseEngine } from "../../database/engine.ts";
import type { Clock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { version } from "../../lib/version.ts";
import type { QueueEngine } from "../../queue/engine.ts";
import { standingJson, standingsOf, summaryOf } from "../../worker/lag.ts";
import { Steering } from "../../worker/steering.ts";
import { type Answer, type Call, json, personOf, type Route } from "../call.ts";
import { Fields } from "../fields.ts";
import type { RouteTools } from "./tools.ts";

/** How far the workers are in the queue, and what a person can do about it. */
export const queueRoutes = (tools: RouteTools): readonly Route[] => {
  const path = "/queue/:worker";
  return [
    { method: "GET", path: "/queue", run: (call) => tellAll(call, tools) },
    { method: "GET", path, run: (call) => tellOne(call, tools) },
    { method: "GET", path: "/workers/:worker/lag", run: (call) => tellLag(call, tools) },
    { method: "POST", path: `${path}/pause`, run: (call) => setPaused(call, tools, true) },
    { method: "POST", path: `${path}/resume`, run: (call) => setPaused(call, tools, false) },
    { method: "POST", path: `${path}/skip`, run: (call) => skip(call, tools) },
  ];
};

async function tellAll({ query }: Call, tools: RouteTools): Promise<Answer> {
  const fields = Fields.ofQuery(query);
  const name = fields.text("worker");
  fields.finish(["worker"]);
  const [queue, chosen] = await Promise.all([tools.queue(), tools.workers.chosen(name)]);
  const workers = [];
  for (const { name, database } of chosen) {
    workers.push(await tell(name, database, queue, tools.clock));
  }
  return json({ workers });
}

async function tellOne({ query, params }: Call, tools: RouteTools): Promise<Answer> {
  Fields.ofQuery(query).finish([]);
  const { name, database } = await tools.workers.one(params.worker ?? "");
  return json(await tell(name, database, await tools.queue(), tools.clock));
}

/** What an autoscaler looks at. Parked events are no load: more instances would not help them. */
async function tellLag({ query, params }: Call, tools: RouteTools): Promise<Answer> {
  Fields.ofQuery(query).finish([]);
  const { database } = await tools.workers.one(params.worker ?? "");
  const standings = await standingsOf(await tools.queue(), database, tools.clock);
  const { lagEvents, lagMs, parkedEvents } = summaryOf(standings);
  const oldestSeconds = Math.round(lagMs / 1_000);
  return json({ events: lagEvents, oldestSeconds, parked: parkedEvents });
}

async function setPaused(
  { query, params, body, client }: Call,
  { workers, log }: RouteTools,
  isPaused: boolean,
): Promise<Answer> {
  Fields.ofQuery(query).finish([]);
  const fields = Fields.ofBody(body);
  const { name: worker, database } = await workers.one(params.worker ?? "");
  const steering = new Steering(database, personOf(client));
  const partitions = fields.numbers("partitions", await partitionsOf(steering)) ?? "all";
  fields.finish(["partitions"]);
  const changed = await steering.setPaused(partitions, isPaused);
  const did = isPaused ? "pause" : "resume";
  log.info({ client: client.id, worker, partitions, changed }, `queue: ${did}`);
  return json({ worker, isPaused, partitions, changed });
}

const partitionsOf = async (steering: Steering): Promise<number[]> =>
  (await steering.status()).map(({ partition }) => partition);

async function skip(call: Call, tools: RouteTools): Promise<Answer> {
  Fields.ofQuery(call.query).finish([]);
  const { name: worker, database } = await tools.workers.one(call.params.worker ?? "");
  const steering = new Steering(database, personOf(call.client));
  const known = await partitionsOf(steering);
  const { partition, events, key } = readSkip(call, known.length - 1);
  const [by, now] = [`millrace ${version}`, tools.clock.now()];
  let skipped: string[];
  if (partition !== undefined) {
    skipped = await steering.skipNext(await tools.queue(), partition, events, by, now);
  } else {
    const id = await steering.skipHead(key, by, now);
    if (id === undefined) {
      throw new MillraceError("MR_EVENT_NOT_FOUND", `No event of the key ${key} is parked.`);
    }
    skipped = [id];
  }
  tools.log.info({ client: call.client.id, worker, partition, skipped }, "queue: skip");
  return json({ worker, skipped });
}

/** Either the next events of a partition, or the head of a parked key. */
function readSkip({ body }: Call, last: number) {
  const fields = Fields.ofBody(body);
  const partition = fields.whole("partition", 0, last);
  const events = fields.whole("events", 1, limits.passEventsMax) ?? 1;
  const key = fields.text("key") ?? "";
  const byKey = fields.has("key");
  if (fields.has("partition") === byKey) {
    fields.refuse("partition", "Say what is passed over: partition, or key.");
  } else if (byKey && fields.has("events")) {
    fields.refuse("events", "Of a key, only its head is passed over.");
  }
  fields.finish(["partition", "events", "key"]);
  return { partition, events, key };
}

async function tell(name: string, database: DatabaseEngine, queue: QueueEngine, clock: Clock) {
  const standings = await standingsOf(queue, database, clock);
  return standingJson(name, standings, await new Steering(database).waiting());
}
