import { MillraceError } from "../../lib/errors.ts";
import { DeadLetters } from "../../worker/dead-letters.ts";
import { changeLetters, countLetters, filterMissing } from "../../worker/redrive.ts";
import { type Answer, type Call, json, personOf, type Route } from "../call.ts";
import { Fields } from "../fields.ts";
import { requireScope } from "../read-request.ts";
import { choiceOf, filterNames } from "./filter.ts";
import type { RouteTools } from "./tools.ts";

/** Many dead letters at once. How many they will be, `GET /dead-letters` tells first. */
export const bulkRoutes = (tools: RouteTools): readonly Route[] => [
  {
    method: "POST",
    path: "/dead-letters/retry",
    namesWorkerInBody: true,
    run: (call) => changeAll(call, tools, "retry"),
  },
  {
    method: "POST",
    path: "/dead-letters/discard",
    namesWorkerInBody: true,
    run: (call) => changeAll(call, tools, "discard"),
  },
];

async function changeAll(
  call: Call,
  { workers, clock, log }: RouteTools,
  verb: "retry" | "discard",
): Promise<Answer> {
  Fields.ofQuery(call.query).finish([]);
  const { worker, filter, expected, rate } = readBody(call, clock.now());
  requireScope(call.client, "POST", worker);
  const chosen = await workers.chosen(worker);
  const total = await countLetters(chosen, filter);
  if (expected !== undefined && expected !== total) throw differs(expected, total);
  const all = chosen.map(({ database }) => new DeadLetters(database, personOf(call.client)));
  const { signal } = call;
  const options = { verb, filter, clock, signal, ...(rate === undefined ? {} : { rate }) };
  let count = 0;
  try {
    for await (const changed of changeLetters(all, options)) count = changed;
  } finally {
    log.info({ client: call.client.id, worker, filter, count }, `dead letters: ${verb}`);
  }
  if (signal.aborted && count < total) throw brokenOff(count);
  return json({ count });
}

function readBody({ body }: Call, nowMs: number) {
  const fields = Fields.ofBody(body);
  const { worker, filter } = choiceOf(fields, nowMs);
  const all = fields.true("all");
  const expected = fields.whole("expected", 0, Number.MAX_SAFE_INTEGER);
  const rate = fields.whole("rate", 1, 1_000_000);
  const hasFilter = filterNames.some((name) => fields.has(name));
  if (all && hasFilter) fields.refuse("all", "all stands without a filter.");
  fields.finish([...filterNames, "all", "expected", "rate"]);
  if (!all && !hasFilter) {
    throw filterMissing(`Send one of ${filterNames.join(", ")}, or {"all": true}.`);
  }
  return { worker, filter, expected, rate };
}

const differs = (expected: number, count: number): MillraceError =>
  new MillraceError("MR_COUNT_DIFFERS", `${count} are chosen, not ${expected}.`, {
    remedy: "Look again at what they are. Nothing was changed.",
    extra: { count },
  });

const brokenOff = (count: number): MillraceError =>
  new MillraceError("MR_DRAINING", `It was broken off after ${count}: this process stops.`, {
    remedy: "Send it again for the rest.",
    extra: { count },
  });
