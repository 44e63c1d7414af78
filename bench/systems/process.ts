import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** A program that the benchmark runs, with what it has written so far. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  output(): string;
  /** Asks it to end by a signal, and waits; kills it when that takes too long. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const stopTimeoutMs = 20_000;

export interface ProgramOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly folder?: string;
  /** To run it as another user. */
  readonly uid?: number;
  readonly gid?: number;
  /** With a channel for messages, as `fork` gives it. */
  readonly talks?: boolean;
}

export function startProgram(
  command: string,
  parameters: readonly string[],
  options: ProgramOptions = {},
): Program {
  const { environment = process.env, folder, uid, gid, talks = false } = options;
  const child = spawn(command, parameters, {
    stdio: ["ignore", "pipe", "pipe", ...(talks ? (["ipc"] as const) : [])],
    env: environment,
    ...(folder !== undefined && { cwd: folder }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-20_000);
    });
  }
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  failed.catch((error) => {
    output += String(error);
  });
  const stop = (signal: NodeJS.Signals = "SIGINT") => stopChild(child, signal);
  return {
    child,
    pid: child.pid ?? 0,
    output: () => output,
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

const hasEnded = ({ child }: { readonly child: ChildProcess }): boolean =>
  child.exitCode !== null || child.signalCode !== null || child.pid === undefined;

async function stopChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded({ child })) return;
  const ended = once(child, "exit");
  child.kill(signal);
  const killer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await ended;
  clearTimeout(killer);
}

/** Waits for a condition, unless the program ends or the time is up. */
export async function until(
  program: Program,
  what: string,
  condition: () => Promise<boolean> | boolean,
  { timeoutMs = 30_000, everyMs = 20 } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    const ended = hasEnded(program);
    if (ended || performance.now() > deadline) {
      throw new Error(`${ended ? "It ended before" : "Too late"}: ${what}.\n${program.output()}`);
    }
    await sleep(everyMs);
  }
}
