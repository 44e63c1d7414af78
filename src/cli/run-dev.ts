import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { shortPath } from "../lib/short-path.ts";
import { assertAccessSafe } from "../runtime/access.ts";
import { type Config, type Flags, parseConfig } from "../runtime/config.ts";
import { openDataFolder } from "../runtime/data-folder.ts";
import { DevRunner } from "../runtime/dev.ts";
import type { Ready } from "../runtime/messages.ts";
import { unsafeEngines } from "../runtime/safe-engines.ts";
import type { ExitCode } from "./command.ts";
import { firstScreen } from "./first-screen.ts";
import type { Output } from "./output.ts";
import { StatusLine } from "./status-line.ts";
import { StopSignals } from "./stop-signals.ts";

interface Call {
  readonly app: string;
  readonly flags: Flags;
  readonly output: Output;
}

/** Runs the application in one process, and anew whenever it changes, until it is told to stop. */
export async function runDev({ app, flags, output }: Call): Promise<ExitCode> {
  const parsed = parseConfig(flags, process.env).config;
  const logFormat = parsed.logFormat === "auto" ? "pretty" : parsed.logFormat;
  const config: Config = { ...parsed, logFormat };
  assertAccessSafe(config);
  const data = await openDataFolder(config.data);
  const screen = new DevScreen(app, config, output);
  // A developer's servers need not keep what nobody would miss; but it is said what they do not.
  for (const { what, detail } of await unsafeEngines(config)) {
    output.progress(`Good enough for development only: ${what}: ${detail}.`);
  }
  const runner = new DevRunner({
    app,
    config,
    data: data.path,
    clock: systemClock,
    log: silentLog,
    environment: output.hasColor ? { ...process.env, FORCE_COLOR: "1" } : process.env,
    onReady: (ready, generation) => screen.ready(ready, generation),
    onFailure: (error) => screen.failed(error),
    onChange: (files) => screen.changed(files),
    onOutput: (text) => screen.write(text),
  });
  const signals = new StopSignals({ onKill: () => runner.kill() });
  await Promise.race([runner.start(), signals.stop]);
  await signals.stop;
  screen.stopping();
  await runner.stop();
  output.progress("Stopped.");
  return 0;
}

/** What `dev` shows: the log lines as they come, and below them one line on how things stand. */
class DevScreen {
  readonly #app: string;
  readonly #config: Config;
  readonly #output: Output;
  readonly #status = new StatusLine();

  constructor(app: string, config: Config, output: Output) {
    this.#app = app;
    this.#config = config;
    this.#output = output;
  }

  ready({ port, adminPort, summary }: Ready, generation: number): void {
    if (summary === undefined) return;
    if (generation === 0) {
      const boxes = [
        { kind: "gateway", name: "gateway-1" } as const,
        ...summary.workers.map((name) => ({ kind: "worker", name: `worker-${name}-1` }) as const),
      ];
      const paint = this.#output.paintProgress.bind(this.#output);
      const screen = {
        summary,
        config: this.#config,
        boxes,
        port,
        adminPort,
        firstKey: undefined,
        paint,
      };
      this.#say(firstScreen({ ...screen, app: shortPath(this.#app) }));
    } else {
      this.#say("Runs again.");
    }
    this.#status.set(`${summary.name} runs on port ${port}; it begins anew when a file changes`);
  }

  failed(error: Error): void {
    this.#status.set("");
    this.#output.error(error);
    this.#status.set("does not run; waiting for a change");
  }

  changed(files: readonly string[]): void {
    this.#say(`Changed: ${files.map(shortPath).join(", ")}`);
    this.#status.set("begins anew …");
  }

  write(text: string): void {
    this.#status.write(process.stdout, text);
  }

  stopping(): void {
    this.#status.set("");
    this.#output.progress("\nFinishing what runs. Once more Ctrl-C ends it at once.");
  }

  #say(text: string): void {
    this.#status.set("");
    this.#output.progress(text);
  }
}
