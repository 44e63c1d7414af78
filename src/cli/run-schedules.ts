import type { Flags } from "../runtime/config.ts";
import { schedulesIn } from "../worker/schedules.ts";
import { columnsText } from "./columns.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";
import { openWorkers } from "./worker-view.ts";

interface Call {
  readonly worker?: string;
  readonly flags: Flags;
  readonly output: Output;
}

export async function listSchedules({ worker, flags, output }: Call): Promise<ExitCode> {
  await using opened = await openWorkers(flags, worker);
  const rows: string[][] = [["worker", "schedule", "expression", "time zone", "last", "next"]];
  for (const { name: workerName, database } of opened.workers) {
    for (const { name, cron, timeZone, lastTick, nextTick } of await schedulesIn(database)) {
      const last = new Date(lastTick).toISOString();
      const next = nextTick === undefined ? undefined : new Date(nextTick).toISOString();
      if (output.json) {
        output.value({ worker: workerName, name, cron, timeZone, last, next: next ?? null }, 0);
      } else rows.push([workerName, name, cron, timeZone, last, next ?? "no longer defined"]);
    }
  }
  if (output.json) return 0;
  if (rows.length === 1) output.progress("No worker has schedules.");
  else output.line(columnsText(rows));
  return 0;
}
