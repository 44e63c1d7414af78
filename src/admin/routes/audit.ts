import { limits } from "../../lib/limits.ts";
import { deedJson, deedsAt } from "../../worker/audit.ts";
import { type Answer, type Call, json, type Route } from "../call.ts";
import { Fields } from "../fields.ts";
import type { RouteTools } from "./tools.ts";

/** What people have changed by hand, here and on the command line. */
export const auditRoutes = (tools: RouteTools): readonly Route[] => [
  { method: "GET", path: "/audit", run: (call) => list(call, tools) },
];

async function list({ query }: Call, { workers }: RouteTools): Promise<Answer> {
  const fields = Fields.ofQuery(query);
  const worker = fields.text("worker");
  const limit = fields.whole("limit", 1, limits.deadLettersListedMax) ?? 20;
  fields.finish(["worker", "limit"]);
  const deeds = [];
  for (const { name, database } of await workers.chosen(worker)) {
    for (const deed of await deedsAt(database, limit)) deeds.push(deedJson(name, deed));
  }
  deeds.sort((one, other) => one.at.localeCompare(other.at));
  return json({ deeds: deeds.slice(-limit) });
}
