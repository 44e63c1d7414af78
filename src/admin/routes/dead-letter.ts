import {
  dryRunJson,
  editLetter,
  type FoundLetter,
  findLetter,
  letterGone,
  letterJson,
  tryLetter,
} from "../../worker/redrive.ts";
import { type Answer, type Call, json, personOf, type Route } from "../call.ts";
import { Fields } from "../fields.ts";
import type { RouteTools } from "./tools.ts";

/** One dead letter: to look at, to try out, to mend, to retry, to discard. */
export const letterRoutes = (tools: RouteTools): readonly Route[] => {
  const path = "/dead-letters/:worker/:id";
  return [
    { method: "GET", path, run: (call) => show(call, tools) },
    { method: "POST", path: `${path}/retry`, run: (call) => change(call, tools, "retry") },
    { method: "POST", path: `${path}/discard`, run: (call) => change(call, tools, "discard") },
    { method: "PUT", path: `${path}/data`, run: (call) => edit(call, tools) },
    { method: "POST", path: `${path}/dry-run`, run: (call) => tryOut(call, tools) },
  ];
};

/** Ids are unlike only together with their source, which can be named besides. */
async function found(
  { client, params, query }: Call,
  { workers }: RouteTools,
): Promise<FoundLetter> {
  const fields = Fields.ofQuery(query);
  const source = fields.text("source");
  fields.finish(["source"]);
  const worker = await workers.one(params.worker ?? "");
  const filter = { id: params.id ?? "", ...(source === undefined ? {} : { source }) };
  const who = personOf(client);
  return await findLetter([worker], filter, { remedy: "Say which one: ?source=…", who });
}

async function show(call: Call, tools: RouteTools): Promise<Answer> {
  const { worker, letter } = await found(call, tools);
  return json(letterJson(worker.name, letter));
}

async function change(call: Call, tools: RouteTools, verb: "retry" | "discard"): Promise<Answer> {
  Fields.ofBody(call.body).finish([]);
  const { worker, letters, letter } = await found(call, tools);
  const { id } = letter.event;
  if ((await letters[verb]([letter], tools.clock.now())) === 0) throw letterGone(id);
  tools.log.info({ client: call.client.id, worker: worker.name, id }, `dead letter: ${verb}`);
  return json({ worker: worker.name, id, count: 1 });
}

async function edit(call: Call, tools: RouteTools): Promise<Answer> {
  const letter = await found(call, tools);
  const data = await editLetter(letter, call.body, await tools.application());
  const [worker, { id }] = [letter.worker.name, letter.letter.event];
  tools.log.info({ client: call.client.id, worker, id }, "dead letter: edit");
  return json({ worker, id, data });
}

async function tryOut(call: Call, tools: RouteTools): Promise<Answer> {
  Fields.ofBody(call.body).finish([]);
  const letter = await found(call, tools);
  const [system, cache] = await Promise.all([tools.application(), tools.cache()]);
  const [worker, { id }] = [letter.worker.name, letter.letter.event];
  tools.log.info({ client: call.client.id, worker, id }, "dead letter: dry run");
  const run = await tryLetter(letter, { system, cache, clock: tools.clock });
  return json(dryRunJson(worker, id, run));
}
