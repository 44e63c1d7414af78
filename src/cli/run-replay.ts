import type { DatabaseEngine } from "../database/engine.ts";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { silentLog } from "../lib/log.ts";
import { systemRandom } from "../lib/random.ts";
import { isRfc3339 } from "../lib/rfc3339.ts";
import { createQueue } from "../queue/queue.ts";
import type { ReplayFilter } from "../replay/live-state.ts";
import { type ReplayProgress, rebuild } from "../replay/rebuild.ts";
import { repeat } from "../replay/repeat.ts";
import { type ReplayFrom, startOf } from "../replay/start.ts";
import { loadApplication } from "../runtime/application.ts";
import type { Flags } from "../runtime/config.ts";
import { lockBoxes } from "../runtime/data-lock.ts";
import { versionsOf } from "../runtime/versions.ts";
import { note } from "../worker/audit.ts";
import type { ExitCode } from "./command.ts";
import { confirm } from "./confirm.ts";
import { Interruption } from "./interruption.ts";
import { counted, type Output } from "./output.ts";
import { progressBar } from "./progress-bar.ts";
import { parsePast } from "./queue-view.ts";
import type { ReplayOptions } from "./replay.ts";
import { StatusLine } from "./status-line.ts";
import { caller, type OpenedWorkers, openWorkers } from "./worker-view.ts";

interface Call extends ReplayOptions {
  readonly worker: string;
  readonly flags: Flags;
  readonly output: Output;
}

export async function runReplay(call: Call): Promise<ExitCode> {
  const from = fromOf(call.from);
  if (call.repeatEffects === true && call.inPlace !== true) {
    throw usage("--repeat-effects belongs to --in-place.", "A rebuild repeats no effects.");
  }
  if (call.inPlace === true && call.repeatEffects !== true) {
    throw usage(
      "In place, the effects of the events happen once more.",
      "Add --repeat-effects where that is what you want, or leave out --in-place.",
    );
  }
  await using opened = await openWorkers(call.flags, call.worker);
  await using _lock = await lockBoxes(opened.data, [`replay-${call.worker}`]);
  return call.inPlace === true
    ? await replayInPlace(call, from, opened)
    : await replayBeside(call, from, opened);
}

async function replayBeside(
  call: Call,
  from: ReplayFrom,
  opened: OpenedWorkers,
): Promise<ExitCode> {
  const { app, worker: name, output } = call;
  if (app === undefined) throw usage("A rebuild takes the application.", "Add --app app.ts.");
  const system = await loadApplication(app);
  const worker = system.workers.find((one) => one.name === name);
  if (worker === undefined) throw usage(`${app} has no worker "${name}".`, "Name one that it has.");
  const queue = createQueue(await opened.queue(), { clock: systemClock });
  const start = await startOf(queue, from);
  const filter = filterOf(call);
  if (!(await isMeant(call, from, filter))) return 130;
  const { places } = opened;
  const place = await places.another(name);
  const meter = new Meter();
  using stop = new Interruption(interrupted());
  const [live] = opened.workers;
  if (live === undefined) return 1;
  let isInUse = false;
  using _exit = onExit(output);
  try {
    const fresh = await opened.open(name, place);
    const { events } = await rebuild({
      ...{ system, worker, queue, filter },
      version: await versionsOf(app),
      live: live.database,
      fresh,
      cache: await opened.cache(),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      from: start,
      onProgress: (progress) => meter.show(progress),
      signal: stop.signal,
      async switchOver() {
        await noteReplay(fresh, call);
        await fresh.close();
        await places.use(name, place);
        isInUse = true;
      },
    });
    meter.end();
    if (output.json) output.value({ worker: name, events, database: place }, 0);
    else output.line(`${name} is rebuilt of ${counted(events, "event")}.`);
    output.progress(
      `It is in ${place}; the former database stays beside it until the next rebuild.`,
    );
    return 0;
  } catch (thrown) {
    return stop.exitCode(thrown, output);
  } finally {
    meter.end();
    if (!isInUse) await places.remove(place);
  }
}

async function replayInPlace(
  call: Call,
  from: ReplayFrom,
  opened: OpenedWorkers,
): Promise<ExitCode> {
  const { worker: name, output } = call;
  const queue = createQueue(await opened.queue(), { clock: systemClock });
  const start = await startOf(queue, from);
  const filter = filterOf(call);
  const [live] = opened.workers;
  if (live === undefined || !(await isMeant(call, "start", {}))) return 130;
  const meter = new Meter();
  using stop = new Interruption(interrupted());
  try {
    const events = await repeat({
      ...{ queue, filter },
      live: live.database,
      clock: systemClock,
      from: start,
      onProgress: (progress) => meter.show(progress),
      signal: stop.signal,
    }).finally(() => meter.end());
    await noteReplay(live.database, call);
    if (output.json) output.value({ worker: name, events }, 0);
    else output.line(`${name} handles ${counted(events, "event")} again.`);
    output.progress(`How far it is: millrace queue status --worker ${name}`);
    return 0;
  } catch (thrown) {
    return stop.exitCode(thrown, output);
  }
}

async function noteReplay(
  database: DatabaseEngine,
  { from, types, keys, inPlace }: Call,
): Promise<void> {
  const what = { from, types, keys, inPlace: inPlace === true };
  await database.transaction((tx) => note(tx, database, { who: caller(), did: "replay", what }));
}

/** A rebuild of a part replaces the whole; that is told before. */
async function isMeant(
  { yes, inPlace, worker }: Call,
  from: ReplayFrom,
  { types, keys }: ReplayFilter,
): Promise<boolean> {
  const isWhole = from === "start" && types === undefined && keys === undefined;
  if (yes === true || (isWhole && inPlace !== true)) return true;
  const question =
    inPlace === true
      ? `Repeat the effects of these events in ${worker}?`
      : `Rebuild ${worker} of a part of its events, without the effects of all others?`;
  return await confirm(question, "Add --yes to go on without being asked.");
}

function filterOf({ types, keys }: Call): ReplayFilter {
  const set = (text: string) => new Set(text.split(",").map((part) => part.trim()));
  return {
    ...(types === undefined ? {} : { types: set(types) }),
    ...(keys === undefined ? {} : { keys: set(keys) }),
  };
}

function fromOf(text: string | undefined): ReplayFrom {
  const remedy =
    "It takes start, a time such as 2h, 7d or 2026-01-31T12:00:00Z, or a place, 7:120.";
  if (text === undefined) throw usage("Say where the replay begins: --from.", remedy);
  if (text === "start") return "start";
  const [, partition, position] = /^(\d{1,4}):(\d{1,15})$/.exec(text) ?? [];
  if (partition !== undefined) return { partition: Number(partition), position: Number(position) };
  if (isRfc3339(text) || /^\d+[smhd]$/.test(text)) {
    return parsePast("--from", text, systemClock.now());
  }
  throw usage(`--from is ${JSON.stringify(text)}.`, remedy);
}

const usage = (message: string, remedy: string): MillraceError =>
  new MillraceError("MR_USAGE", message, { remedy });

/** A handler that ends the process would end the replay without a word. */
function onExit(output: Output): Disposable {
  const tell = () => {
    output.error(
      new MillraceError("MR_REPLAY_ENDED", "A handler ended this process. Nothing was changed.", {
        remedy: "Mend the handler, so that it throws instead, and begin again.",
      }),
    );
    process.exitCode = 1;
  };
  process.once("exit", tell);
  return { [Symbol.dispose]: () => void process.off("exit", tell) };
}

const interrupted = (): MillraceError =>
  new MillraceError("MR_USAGE", "The replay was interrupted; nothing was changed.");

/** How far it is, how fast, and how long it will take. */
class Meter {
  readonly #status = new StatusLine();
  readonly #startedAt = systemClock.monotonic();

  show({ events, share }: ReplayProgress): void {
    const seconds = (systemClock.monotonic() - this.#startedAt) / 1_000;
    const rate = Math.round(events / Math.max(seconds, 0.001));
    const left = share > 0 ? Math.ceil((seconds / share) * (1 - share)) : undefined;
    const remaining = left === undefined ? "" : `, ${left} s left`;
    this.#status.set(
      `${progressBar(share)} ${Math.floor(share * 100)} %  ${events} events, ${rate} a second${remaining}`,
    );
  }

  end(): void {
    this.#status.set("");
  }
}
