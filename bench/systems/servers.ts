import { execFileSync } from "node:child_process";
import { accessSync, chownSync, constants, globSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/lib/free-port.ts";
import { Skipped } from "../scenarios/scenario.ts";
import { newFolder } from "./place.ts";
import { type Program, startProgram, until } from "./process.ts";

/** A server that a peer needs, on a port and in a folder of its own. */
export interface Server extends AsyncDisposable {
  readonly program: Program;
  readonly url: string;
}

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** @throws Skipped where it is not installed */
export function findProgram(name: string, ...further: readonly string[]): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const places = [...further, ...folders.map((folder) => join(folder, name))];
  const found = places.find(isProgram);
  if (found === undefined) throw new Skipped(`${name} is not installed here`);
  return found;
}

/** Where `scripts/servers` puts the server of NATS, where it did. */
export const findNats = (): string =>
  findProgram(
    "nats-server",
    fileURLToPath(new URL("../../.servers/nats/usr/sbin/nats-server", import.meta.url)),
  );

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Redis with an append-only file, synced every second or before each answer. */
export async function startRedis(appendfsync: "everysec" | "always"): Promise<Server> {
  const command = findProgram("redis-server");
  const folder = newFolder("redis");
  const port = await freePort();
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder.path,
    appendonly: "yes",
    appendfsync,
    save: "",
    "maxmemory-policy": "noeviction",
  };
  const parameters = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const program = startProgram(command, parameters);
  await until(program, "Redis listens", () => canConnect(port));
  return server(program, `redis://127.0.0.1:${port}`, folder.remove, "SIGTERM");
}

/** PostgreSQL as it comes: every commit is synced. It refuses to run as root, so it is not. */
export async function startPostgres(): Promise<Server> {
  const installed = globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed();
  const places = (name: string) => installed.map((folder) => join(folder, name));
  const initdb = findProgram("initdb", ...places("initdb"));
  const command = findProgram("postgres", ...places("postgres"));
  const folder = newFolder("pg");
  const user = ordinaryUser();
  if (user !== undefined) chownSync(folder.path, user.uid, user.gid);
  const data = join(folder.path, "data");
  const create = ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"];
  execFileSync(initdb, create, { stdio: "pipe", cwd: folder.path, ...user });
  const port = await freePort();
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", `unix_socket_directories=`];
  const parameters = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  const program = startProgram(command, parameters, { folder: folder.path, ...user });
  await until(program, "PostgreSQL listens", () => /ready to accept/.test(program.output()));
  return server(program, `postgres://postgres@127.0.0.1:${port}/postgres`, folder.remove);
}

/** The account that Debian's package makes, where we are root; undefined: ourselves. */
function ordinaryUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { stdio: "pipe" }));
  try {
    return { uid: idOf("-u"), gid: idOf("-g") };
  } catch {
    throw new Skipped("PostgreSQL does not run as root, and there is no user postgres");
  }
}

function server(
  program: Program,
  url: string,
  remove: () => void,
  signal: NodeJS.Signals = "SIGINT",
): Server {
  return {
    program,
    url,
    [Symbol.asyncDispose]: async () => {
      await program.stop(signal);
      remove();
    },
  };
}
