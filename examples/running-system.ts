import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const command = fileURLToPath(new URL("../bin/millrace.mjs", import.meta.url));
const startTimeoutMs = 30_000;

export interface SystemStart {
  /** Paths that answer 200 once everything needed is up: a query of each worker. */
  readonly readyPaths: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where to keep the data; absent: a new folder that goes away with the system. */
  readonly data?: string;
}

/** A system that runs as `millrace start` runs it, in processes of its own. */
export interface RunningSystem extends AsyncDisposable {
  /** Where the load balancer listens, without a slash at its end. */
  readonly url: string;
  /** Where its admin API does. */
  readonly adminUrl: string;
  /** What the system has written so far. */
  output(): string;
  /** Stops it as Ctrl-C does, and resolves to its exit status. */
  stop(): Promise<number | null>;
}

/** Starts `millrace start app` on a free port and waits until it answers. */
export async function startSystem(
  app: string,
  { readyPaths, environment = {}, data }: SystemStart,
): Promise<RunningSystem> {
  const folder = data ?? (await mkdtemp(join(tmpdir(), "millrace-")));
  const [port, adminPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [command, "start", app], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      MILLRACE_PORT: String(port),
      MILLRACE_DASHBOARD_PORT: String(adminPort),
      MILLRACE_DATA: folder,
      MILLRACE_LOG_LEVEL: "warn",
      ...environment,
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const stop = async () => {
    const status = await stopChild(child);
    if (data === undefined) await rm(folder, { recursive: true, force: true });
    return status;
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(
      child,
      readyPaths.map((path) => url + path),
      () => output,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    output: () => output,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

async function untilReady(
  child: ChildProcess,
  urls: readonly string[],
  output: () => string,
): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  const isReady = async (url: string) => (await fetch(url)).ok;
  for (;;) {
    const answers = await Promise.allSettled(urls.map(isReady));
    if (answers.every((answer) => answer.status === "fulfilled" && answer.value)) return;
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || performance.now() > deadline) {
      throw new Error(`The system ${ended ? "ended" : "was not ready"}:\n${output()}`);
    }
    await sleep(50);
  }
}

async function stopChild(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, "exit");
    child.kill("SIGINT");
    await ended;
  }
  return child.exitCode;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no free port.");
  return address.port;
}
