import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { DeadLetters, type StoredDeadLetter } from "../worker/dead-letters.ts";
import type { Failure } from "../worker/outcome.ts";
import { describeFailure } from "../worker/outcome.ts";
import {
  type Change,
  changeLetters,
  countLetters,
  filterMissing,
  groupJson,
  letterJson,
  pagesOf,
  timeOf,
} from "../worker/redrive.ts";
import type { ExitCode } from "./command.ts";
import { confirm } from "./confirm.ts";
import { type Call, filterOf, findOne, isChosen } from "./dead-letter-choice.ts";
import type { BulkOptions } from "./dead-letters.ts";
import { limitOf } from "./limit-option.ts";
import { counted } from "./output.ts";
import { progressBar } from "./progress-bar.ts";
import { clean } from "./queue-view.ts";
import { StatusLine } from "./status-line.ts";
import { caller, openWorkers } from "./worker-view.ts";

export async function listDeadLetters(
  call: Call & { readonly group?: boolean; readonly limit: string },
): Promise<ExitCode> {
  const { output, flags, worker } = call;
  const limit = limitOf(call.limit, limits.listedEventsMax);
  await using opened = await openWorkers(flags, worker);
  const total = await countLetters(opened.workers, filterOf(call));
  for (const { name, database } of opened.workers) {
    const letters = new DeadLetters(database);
    if (call.group === true) {
      for (const group of await letters.groups(filterOf(call), limit)) {
        if (output.json) output.value(groupJson(name, group), 0);
        else {
          const { fingerprint, count, type, error } = group;
          output.line(`${fingerprint}  ${count}×  ${name}  ${type}  ${sentenceOf(error)}`);
        }
      }
      continue;
    }
    for (const letter of await letters.list(filterOf(call), limit)) {
      if (output.json) output.value(letterJson(name, letter), 0);
      else output.line(lineOf(name, letter));
    }
  }
  if (total === 0) output.progress("No dead letters.");
  else if (call.group === true) {
    output.progress(`${total} in all. One kind: millrace dead-letters list --fingerprint …`);
  } else output.progress(`${total} in all. One of them: millrace dead-letters show ID`);
  return 0;
}

export async function showDeadLetter(call: Call): Promise<ExitCode> {
  const { output } = call;
  await using opened = await openWorkers(call.flags, call.worker);
  const { worker, letter } = await findOne(opened, call);
  if (output.json) {
    output.value(letterJson(worker.name, letter));
    return 0;
  }
  const { event, error, history, isHeld } = letter;
  output.line(`${output.paint("bold", event.id)}  ${event.type}  dead letter of ${worker.name}`);
  output.line(`  key          ${clean(event.key)}${isHeld ? ", held until you decide" : ""}`);
  output.line(`  source       ${clean(event.source)}`);
  output.line(`  accepted     ${timeOf(letter.acceptedAt)}`);
  output.line(`  place        ${letter.partition}:${letter.position}`);
  output.line(`  fingerprint  ${letter.fingerprint}`);
  output.line(`  data         ${clean(event.data)}`);
  output.line("  attempts");
  for (const { at, error: told, version } of history) {
    output.line(`    ${timeOf(at)}  ${clean(told)}  (${version})`);
  }
  output.line("  error");
  for (let cause: Failure | undefined = error; cause !== undefined; cause = cause.cause) {
    for (const line of (cause.stack || describeFailure(cause)).split("\n")) {
      output.line(`    ${clean(line)}`);
    }
    if (cause.cause !== undefined) output.line("  caused by");
  }
  output.progress(`\nAgain: millrace dead-letters retry ${event.id}, or edit, or discard`);
  return 0;
}

export const retryDeadLetters = (call: Call & BulkOptions): Promise<ExitCode> =>
  changeAll(call, "retry", "handed to their handlers again");

export const discardDeadLetters = (call: Call & BulkOptions): Promise<ExitCode> =>
  changeAll(call, "discard", "discarded");

export async function exportDeadLetters(call: Call): Promise<ExitCode> {
  await using opened = await openWorkers(call.flags, call.worker);
  for (const { name, database } of opened.workers) {
    for await (const page of pagesOf(new DeadLetters(database), filterOf(call))) {
      for (const letter of page) call.output.value(letterJson(name, letter), 0);
    }
  }
  return 0;
}

/** Counts, asks, then changes page after page at the given rate, and shows how far it is. */
async function changeAll(
  call: Call & BulkOptions,
  verb: Change["verb"],
  done: string,
): Promise<ExitCode> {
  const { output } = call;
  if (call.all === true && isChosen(call)) {
    throw new MillraceError("MR_USAGE", "--all stands alone: something else chooses already.");
  }
  if (call.all !== true && !isChosen(call)) {
    throw filterMissing("Give an id, an option that chooses, such as --type, or --all.");
  }
  const rate = call.rate === undefined ? Number.POSITIVE_INFINITY : rateOf(call.rate);
  await using opened = await openWorkers(call.flags, call.worker);
  const all = opened.workers.map(({ database }) => new DeadLetters(database, caller()));
  const total = await countLetters(opened.workers, filterOf(call));
  if (call.id !== undefined) await findOne(opened, call);
  else if (!(await isMeant(total, verb, call))) return 130;
  const status = new StatusLine();
  let changed = 0;
  const filter = filterOf(call);
  for await (const count of changeLetters(all, { verb, filter, rate, clock: systemClock })) {
    changed = count;
    status.set(`${progressBar(changed / Math.max(1, total))} ${changed} of ${total}`);
  }
  status.set("");
  if (output.json) output.value({ count: changed }, 0);
  else output.line(`${changed} ${done}.`);
  return 0;
}

/** What is chosen by a filter is told and confirmed before it is changed. */
async function isMeant(total: number, verb: string, { yes, output }: Call & BulkOptions) {
  output.progress(`${counted(total, "dead letter")} chosen.`);
  if (total === 0 || yes === true) return true;
  return await confirm(`${verb} ${total === 1 ? "it" : "them all"}?`, "Add --yes.");
}

function lineOf(worker: string, { event, diedAt, attempts, error, isHeld }: StoredDeadLetter) {
  const held = isHeld ? "  held" : "";
  const what = `${worker}  ${event.type}  ${clean(event.key)}${held}`;
  return fitted(`${timeOf(diedAt)}  ${event.id}  ${what}  ${attempts}×  ${sentenceOf(error)}`);
}

const sentenceOf = (error: Failure): string => clean(describeFailure(error).split("\n")[0] ?? "");

function fitted(line: string): string {
  const columns = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  return line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
}

function rateOf(text: string): number {
  const rate = Number(text);
  if (Number.isFinite(rate) && rate >= 1) return rate;
  throw new MillraceError("MR_USAGE", `--rate is ${text}; it takes a number from 1 a second.`);
}
