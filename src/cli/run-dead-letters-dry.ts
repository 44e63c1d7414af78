import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { loadApplication } from "../runtime/application.ts";
import { describeFailure } from "../worker/outcome.ts";
import { dryRunJson, editLetter, tryLetter } from "../worker/redrive.ts";
import type { ExitCode } from "./command.ts";
import { type Call, findOne } from "./dead-letter-choice.ts";
import { openWorkers } from "./worker-view.ts";

/** Says what would happen if a dead letter was retried. */
export async function dryRunDeadLetter(call: Call & { readonly app?: string }): Promise<ExitCode> {
  const { output, app, id } = call;
  if (app === undefined || id === undefined) {
    throw new MillraceError("MR_USAGE", "A dry run takes one dead letter and its application.", {
      remedy: "Write: millrace dead-letters retry ID --dry-run --app app.ts",
    });
  }
  const system = await loadApplication(app);
  await using opened = await openWorkers(call.flags, call.worker);
  const found = await findOne(opened, call);
  const cache = await opened.cache();
  const run = await tryLetter(found, { system, cache, clock: systemClock });
  const { error, emitted, touched } = run;
  if (output.json) {
    output.value(dryRunJson(found.worker.name, id, run));
    return error === undefined ? 0 : 1;
  }
  if (error === undefined) output.line("It would succeed. Nothing was changed.");
  else output.line(`It would fail again: ${describeFailure(error)}`);
  for (const event of emitted) output.line(`  it would emit ${event.type}  ${event.data}`);
  for (const key of touched) output.line(`  it would touch ${key}`);
  return error === undefined ? 0 : 1;
}

/** Replaces the data of a dead letter, once the event's schema agrees. */
export async function editDeadLetter(
  call: Call & { readonly data: string; readonly app: string; readonly retry?: boolean },
): Promise<ExitCode> {
  const { app, data, output } = call;
  const system = await loadApplication(app);
  await using opened = await openWorkers(call.flags, call.worker);
  const found = await findOne(opened, call);
  const { letters, letter } = found;
  const { id } = letter.event;
  const parsed = await editLetter(found, Buffer.from(data), system);
  if (call.retry === true) await letters.retry([letter], systemClock.now());
  if (output.json) output.value({ id, data: parsed, retried: call.retry === true });
  else output.line(`${id}  ${call.retry === true ? "edited and handed on again" : "edited"}.`);
  if (call.retry !== true) output.progress(`Hand it on: millrace dead-letters retry ${id}`);
  return 0;
}
