import { settledWithin, systemClock } from "../lib/clock.ts";
import { shortPath } from "../lib/short-path.ts";
import type { Flags } from "../runtime/config.ts";
import { type StartedSystem, startSystem } from "../runtime/start.ts";
import { summaryOf } from "../runtime/summary.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { ExitCode } from "./command.ts";
import { firstScreen } from "./first-screen.ts";
import type { Output } from "./output.ts";
import { StopSignals } from "./stop-signals.ts";

interface Call {
  readonly app: string;
  readonly flags: Flags;
  readonly only: string | undefined;
  readonly output: Output;
}

/** Starts the system, says what runs where, and stops it when it is told to. */
export async function runStart({ app, flags, only, output }: Call): Promise<ExitCode> {
  let supervisor: Supervisor | undefined;
  const signals = new StopSignals({
    onKill: () => supervisor?.kill(),
    onRenew: () => void supervisor?.rollGateways(),
  });
  // G8: what is no terminal is perhaps a log, where secrets have no business.
  const mayShowKey = process.stderr.isTTY === true;
  const starting = startSystem(
    { app, flags, only, environment: process.env, mayShowKey },
    (made) => {
      supervisor = made;
    },
  );
  const started = await Promise.race([starting, signals.stop]);
  if (started === undefined) {
    // Told to stop before everything was ready.
    await supervisor?.stop();
    return 0;
  }
  await greet(app, started, output);
  await signals.stop;
  await drain(started, output);
  return 0;
}

async function greet(app: string, started: StartedSystem, output: Output): Promise<void> {
  const { system, config, supervisor, firstKey } = started;
  const boxes = supervisor.snapshot();
  if (output.json) {
    output.value(
      {
        system: system.name,
        port: supervisor.port ?? null,
        adminPort: supervisor.adminPort ?? null,
        boxes,
      },
      0,
    );
    return;
  }
  output.progress(
    firstScreen({
      app: shortPath(app),
      summary: await summaryOf(system),
      config,
      boxes,
      port: supervisor.port,
      adminPort: supervisor.adminPort,
      firstKey,
      paint: (format, text) => output.paintProgress(format, text),
    }),
  );
}

/** Says what is still running for as long as something is. */
async function drain(started: StartedSystem, output: Output): Promise<void> {
  const drainSeconds = Math.ceil(started.config.drainMs / 1_000);
  output.progress(
    `\nFinishing what runs, at most ${drainSeconds} s. Once more Ctrl-C ends it at once.`,
  );
  const stopping = started.stop();
  let isStopped = false;
  void stopping.finally(() => {
    isStopped = true;
  });
  let said = "";
  while (!isStopped) {
    await settledWithin(systemClock, 1_000, stopping);
    const names = started.supervisor
      .snapshot()
      .filter(({ pid }) => pid !== undefined)
      .map(({ name }) => name)
      .join(", ");
    if (names !== "" && names !== said) output.progress(`  still running: ${names}`);
    said = names;
  }
  await stopping;
  output.progress("Stopped.");
}
