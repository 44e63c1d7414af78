import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { systemRandom } from "../lib/random.ts";
import { loadApplication } from "../runtime/application.ts";
import type { SystemDefinition } from "../system/system.ts";
import { checkConformance } from "../trial/conformance.ts";
import { generatedInputs, type Inputs, inputsOf } from "../trial/input.ts";
import type { ChosenEngines } from "../trial/places.ts";
import type { ExitCode } from "./command.ts";
import type { ConformanceCommandOptions } from "./conformance.ts";
import { conformanceText } from "./conformance-view.ts";
import type { Output } from "./output.ts";
import { StopSignals } from "./stop-signals.ts";

type Call = ConformanceCommandOptions & { readonly app: string; readonly output: Output };

/** Settings that say how engines are used, and not where anything is. */
const passedOn = ["MILLRACE_UNSAFE_ENGINES", "MILLRACE_LANES", "MILLRACE_PARTITIONS"];

/** From the events to the verdict; 1 where something differs. */
export async function runConformance(call: Call): Promise<ExitCode> {
  const { app, output } = call;
  const chosen = chosenEngines(call);
  const patienceMs = numberOf("--patience", call.patience, 3_600) * 1_000;
  const definition = await loadApplication(app);
  const inputs = await inputsFor(call, definition);
  const stop = new AbortController();
  let kill = () => {};
  const signals = new StopSignals({ onKill: () => kill() });
  void signals.stop.then(() => {
    output.progress("\nStopping, and removing what is on the servers. Once more ends it.");
    stop.abort();
  });
  await using place = await Place.open();
  output.progress(`${inputs.events.length} events for ${definition.name}, in ${place.folder}`);
  try {
    const report = await checkConformance({
      app,
      definition,
      chosen,
      inputs,
      patienceMs,
      environment: environmentFrom(process.env),
      folder: place.folder,
      clock: systemClock,
      random: systemRandom,
      signal: stop.signal,
      onProgress: (text) => output.progress(`  ${text}`),
      onOutput: (text) => place.write(text),
      onSupervised: (supervisor) => {
        kill = () => supervisor.kill();
      },
    });
    if (output.json) output.value(report);
    else output.line(conformanceText(report, (format, text) => output.paint(format, text)));
    place.isKept = report.verdict === "differs";
    if (place.isKept) output.progress(`The logs of the trials: ${place.log}`);
    return report.verdict === "conforms" ? 0 : 1;
  } catch (thrown) {
    if (stop.signal.aborted) return 130;
    throw thrown;
  }
}

function chosenEngines({ queue, database, cache }: Call): ChosenEngines {
  const chosen = Object.entries({ queue, database, cache }).filter(([, url]) => url !== undefined);
  if (chosen.length > 0) return Object.fromEntries(chosen);
  throw new MillraceError("MR_USAGE", "There is nothing to compare the embedded engines with.", {
    remedy: "Add --queue, --database or --cache, or several of them, with a server's address.",
  });
}

async function inputsFor(call: Call, definition: SystemDefinition): Promise<Inputs> {
  // A whole second: databases keep more or fewer digits behind it.
  const fromMs = Math.floor(systemClock.now() / 1_000) * 1_000;
  if (call.events !== undefined) return await inputsOf(call.events, definition, fromMs);
  const keys = numberOf("--keys", call.keys, 64);
  return await generatedInputs(definition, {
    keys,
    each: numberOf("--each", call.each, 1_000),
    fromMs,
  });
}

function numberOf(flag: string, text: string, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new MillraceError("MR_USAGE", `${flag} is ${JSON.stringify(text)}.`, {
    remedy: `It takes a whole number from 1 to ${max}.`,
  });
}

function environmentFrom(environment: NodeJS.ProcessEnv): Record<string, string> {
  const given = passedOn.map((name) => [name, environment[name]]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** The temporary folder of the trials; where something differs, it stays. */
class Place implements AsyncDisposable {
  readonly folder: string;
  readonly log: string;
  isKept = false;
  readonly #stream: ReturnType<typeof createWriteStream>;

  private constructor(folder: string) {
    this.folder = folder;
    this.log = join(folder, "trials.log");
    this.#stream = createWriteStream(this.log);
  }

  static async open(): Promise<Place> {
    return new Place(await mkdtemp(join(tmpdir(), "millrace-trial-")));
  }

  write(text: string): void {
    this.#stream.write(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((done) => this.#stream.end(done));
    if (!this.isKept) await rm(this.folder, { recursive: true, force: true });
  }
}
