import { limits } from "../lib/limits.ts";
import type { Flags } from "../runtime/config.ts";
import { deedJson, deedsAt } from "../worker/audit.ts";
import { hasBookkeeping } from "../worker/tables.ts";
import type { ExitCode } from "./command.ts";
import { limitOf } from "./limit-option.ts";
import type { Output } from "./output.ts";
import { clean } from "./queue-view.ts";
import { openWorkers } from "./worker-view.ts";

interface Call {
  readonly worker?: string;
  readonly limit: string;
  readonly flags: Flags;
  readonly output: Output;
}

export async function listDeeds({ worker, limit, flags, output }: Call): Promise<ExitCode> {
  const limitEach = limitOf(limit, limits.listedEventsMax);
  await using opened = await openWorkers(flags, worker);
  const deeds = [];
  for (const { name, database } of opened.workers) {
    // Noted since a version that this worker may not have been started with yet.
    if (!(await hasBookkeeping(database, "002-audit"))) continue;
    for (const deed of await deedsAt(database, limitEach)) deeds.push(deedJson(name, deed));
  }
  deeds.sort((one, other) => one.at.localeCompare(other.at));
  for (const deed of deeds) {
    if (output.json) output.value(deed, 0);
    else {
      const { at, worker: of, who, did, what } = deed;
      output.line(`${at}  ${of}  ${clean(who)}  ${did}  ${clean(JSON.stringify(what))}`);
    }
  }
  if (deeds.length === 0) output.progress("Nobody has changed anything by hand.");
  return 0;
}
