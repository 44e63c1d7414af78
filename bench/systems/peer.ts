import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { usageOfTree } from "../measure/processes.ts";
import { SqliteEffects } from "./effects.ts";
import { newFolder } from "./place.ts";
import { type Program, startProgram, until } from "./process.ts";
import { type SystemUnderTest, serverName, withFollowUps } from "./system.ts";

export interface PeerOptions {
  readonly name: string;
  /** Files of bench/peers: the web server, and what handles events in two processes. */
  readonly front: string;
  readonly worker?: string;
  /** Servers that it needs, which are counted with it. */
  readonly servers?: readonly Program[];
  /** Worker B has an effect of every tenth event's follow-up besides. */
  readonly followUps?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where to listen; absent: a socket in a folder of its own. */
  readonly socketPath?: string;
  /** How many effects each worker has committed, where they do not lie in SQLite files. */
  readonly effects?: () => Promise<readonly number[]>;
}

const workers = ["a", "b"] as const;

/** A peer: Fastify in one process, and its two workers in one each, as ours have. */
export async function startPeer(options: PeerOptions): Promise<SystemUnderTest> {
  const folder = newFolder("p");
  const socketPath = options.socketPath ?? join(folder.path, "front.sock");
  const programs: { readonly name: string; readonly program: Program }[] = [];
  const fileOf = (worker: string) => join(folder.path, `${worker}.db`);
  const start = async (name: string, file: string, environment: Record<string, string>) => {
    const path = fileURLToPath(new URL(`../peers/${file}`, import.meta.url));
    const program = startProgram(process.execPath, [path], {
      environment: { ...process.env, ...options.environment, ...environment },
      talks: true,
    });
    programs.push({ name, program });
    let isReady = false;
    program.child.once("message", () => {
      isReady = true;
    });
    await until(program, `${name} is ready`, () => isReady);
  };
  const stop = async () => {
    await Promise.all(programs.map(({ program }) => program.stop()));
    folder.remove();
  };
  try {
    for (const worker of options.worker === undefined ? [] : workers) {
      const environment = { BENCH_WORKER: worker, BENCH_FILE: fileOf(worker) };
      await start(`worker ${worker}`, options.worker ?? "", environment);
    }
    await start("front", options.front, { BENCH_LISTEN: socketPath });
  } catch (error) {
    await stop();
    throw error;
  }
  const hasFiles = options.worker !== undefined && options.effects === undefined;
  const files = hasFiles ? workers.map((worker) => new SqliteEffects(fileOf(worker))) : [];
  const { servers = [], followUps = false } = options;
  return {
    name: options.name,
    target: { socketPath },
    usage: () => [
      ...programs.flatMap(({ name, program }) => usageOfTree(program.pid, () => name)),
      ...servers.flatMap(({ pid }) => usageOfTree(pid, serverName)),
    ],
    effects: options.effects ?? (async () => files.map((file) => file.count())),
    expected: (events) => {
      if (options.worker === undefined) return [];
      return followUps ? withFollowUps(events) : [events, events];
    },
    [Symbol.asyncDispose]: async () => {
      for (const file of files) file[Symbol.dispose]();
      await stop();
    },
  };
}
