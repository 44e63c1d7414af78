import { fileURLToPath } from "node:url";
import { freePorts } from "../../src/lib/free-port.ts";
import { dataFolderAt } from "../../src/runtime/data-folder.ts";
import { databaseFile } from "../../src/runtime/database-file.ts";
import type { Target } from "../load/connection.ts";
import { usageOfTree } from "../measure/processes.ts";
import { SqliteEffects } from "./effects.ts";
import { newFolder } from "./place.ts";
import { type Program, startProgram, until } from "./process.ts";
import { type SystemUnderTest, serverName, withFollowUps } from "./system.ts";

const command = fileURLToPath(new URL("../../bin/millrace.mjs", import.meta.url));

/** With a long backlog, workers have much to do when they are first asked. */
const readyTimeoutMs = 120_000;

export type AppName = "light" | "real" | "batch";

export interface MillraceOptions {
  readonly app: AppName | URL;
  readonly command?: "start" | "dev";
  readonly gateways?: number;
  /** Instances of each of the two workers. */
  readonly instances?: number;
  /** Straight to the first gateway's socket, or through the balancer. */
  readonly through?: "gateway" | "balancer";
  /** Where its data are already; absent: a new folder, which goes away with it. */
  readonly data?: string;
  /** Chosen engines; all other settings are the defaults. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Servers that chosen engines need, which are counted with it. */
  readonly servers?: readonly Program[];
  /** How many effects each worker has committed, where they do not lie in SQLite files. */
  readonly effects?: () => Promise<readonly number[]>;
}

/** A running system of ours, as users start it: in processes of its own, everything at default. */
export interface Millrace extends SystemUnderTest {
  readonly data: string;
  readonly port: number;
  readonly program: Program;
  /** From the start of the command until each worker answered through the balancer. */
  readonly readyMs: number;
  databaseFile(worker: string): Promise<string>;
}

export async function startMillrace(options: MillraceOptions): Promise<Millrace> {
  const folder = newFolder("m");
  const data = options.data ?? folder.path;
  const [port = 0, adminPort = 0] = await freePorts(2);
  const program = launch(options, data, port, adminPort);
  const stop = async () => {
    await program.stop();
    folder.remove();
  };
  try {
    const startedAt = performance.now();
    const isReady = async () => {
      const answers = ["a", "b"].map((worker) => answersOk(port, `/${worker}/ready`));
      return (await Promise.all(answers)).every(Boolean);
    };
    await until(program, "each worker answers", isReady, { timeoutMs: readyTimeoutMs });
    const readyMs = performance.now() - startedAt;
    const gateway = { socketPath: dataFolderAt(data).socket("gateway-1") };
    const target = options.through === "balancer" ? { port } : gateway;
    return running({ options, data, port, program, readyMs, target, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

function launch(options: MillraceOptions, data: string, port: number, adminPort: number): Program {
  const { app, gateways, instances = 1, command: verb = "start" } = options;
  const file = typeof app === "string" ? new URL(`../apps/${app}.ts`, import.meta.url) : app;
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("MILLRACE_"));
  return startProgram(process.execPath, [command, verb, fileURLToPath(file)], {
    environment: {
      ...Object.fromEntries(others),
      MILLRACE_DATA: data,
      MILLRACE_PORT: String(port),
      MILLRACE_DASHBOARD_PORT: String(adminPort),
      MILLRACE_LOG_LEVEL: "warn",
      ...(gateways !== undefined && { MILLRACE_GATEWAYS: String(gateways) }),
      ...(instances > 1 && { MILLRACE_WORKERS: `a=${instances},b=${instances}` }),
      ...options.environment,
    },
  });
}

interface Parts {
  readonly options: MillraceOptions;
  readonly data: string;
  readonly port: number;
  readonly program: Program;
  readonly readyMs: number;
  readonly target: Target;
  readonly stop: () => Promise<void>;
}

function running({ options, data, port, program, readyMs, target, stop }: Parts): Millrace {
  const fileOf = (worker: string) => databaseFile(dataFolderAt(data), worker);
  let opening: Promise<readonly SqliteEffects[]> | undefined;
  const effects = () => {
    opening ??= Promise.all(["a", "b"].map(async (name) => new SqliteEffects(await fileOf(name))));
    return opening;
  };
  const { servers = [] } = options;
  return {
    name: `millrace ${typeof options.app === "string" ? options.app : ""}`,
    data,
    port,
    program,
    readyMs,
    target,
    databaseFile: fileOf,
    usage: () => [
      ...usageOfTree(program.pid, boxName),
      ...servers.flatMap(({ pid }) => usageOfTree(pid, serverName)),
    ],
    effects: options.effects ?? (async () => (await effects()).map((worker) => worker.count())),
    expected: (events) => (options.app === "real" ? withFollowUps(events) : [events, events]),
    ...(options.effects === undefined && {
      different: async () => (await effects()).map((worker) => worker.different()),
    }),
    [Symbol.asyncDispose]: async () => {
      for (const worker of (await opening) ?? []) worker[Symbol.dispose]();
      await stop();
    },
  };
}

/** A process is titled by its box; the supervisor is what is left. */
function boxName(commandLine: string[]): string {
  const box = /^millrace (balancer|admin|gateway|worker-\w+)/.exec(commandLine[0] ?? "")?.[1];
  return box?.replace("-", " ") ?? "supervisor";
}

export async function answersOk(port: number, path: string): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
