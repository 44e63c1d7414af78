import { execFile, execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { MillraceError } from "../../lib/errors.ts";
import { freePort } from "../../lib/free-port.ts";
import {
  type EngineServers,
  type EngineServersOptions,
  killServer,
  serverFault,
  stopServer,
} from "./engine-servers.ts";
import { findProgram } from "./find-program.ts";
import { Route } from "./route.ts";
import { ServerProcess } from "./server-process.ts";

/** Where Debian keeps the programs of each version. */
const versions = "/usr/lib/postgresql";

/** The workers' databases on a server. */
export async function startPostgres(options: EngineServersOptions): Promise<EngineServers> {
  const { server, port } = await startServer(options);
  return {
    environment: { MILLRACE_DATABASE: addressAt(port) },
    faults: [
      serverFault("postgres", "kill", () => killServer(server)),
      serverFault("postgres", "stop", () => stopServer(server)),
    ],
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The queue on a server, behind a stretch of network of its own. */
export async function startPostgresQueue(options: EngineServersOptions): Promise<EngineServers> {
  const { server, port } = await startServer(options);
  const route = await Route.open(port);
  return {
    environment: { MILLRACE_QUEUE: addressAt(route.port) },
    faults: [
      serverFault("postgres-queue", "kill", () => killServer(server)),
      serverFault("postgres-queue", "stop", () => stopServer(server)),
      serverFault("postgres-queue", "cut", async () => {
        route.cut();
        return { what: "postgres cut off from all its clients", heal: async () => route.mend() };
      }),
    ],
    async [Symbol.asyncDispose]() {
      await route[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const addressAt = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`;

/** A PostgreSQL server as it is installed, with its syncs. */
async function startServer(options: EngineServersOptions) {
  const { folder, clock, onOutput } = options;
  const initdb = findProgram({
    name: "initdb",
    folders: versionFolders(),
    install: "On Debian: apt-get install postgresql",
  });
  const user = ordinaryUser();
  if (user !== undefined) {
    chownSync(folder, user.uid, user.gid);
    // On its way to its own folder it passes through ours.
    chmodSync(dirname(folder), 0o711);
  }
  const data = join(folder, "data");
  const kind = ["--username", "postgres", "--auth", "trust", "--encoding", "UTF8"];
  const run = promisify(execFile);
  await run(initdb, ["--pgdata", data, "--locale", "C", ...kind], { ...user, cwd: folder });
  const port = await freePort();
  const where = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder];
  const asked = ["--quiet", "--host", "127.0.0.1", "--port", String(port)];
  const server = new ServerProcess({
    name: "postgres",
    program: join(dirname(initdb), "postgres"),
    parameters: where,
    isReady: () =>
      run(join(dirname(initdb), "pg_isready"), asked).then(
        () => true,
        () => false,
      ),
    clock,
    onOutput,
    ...(user === undefined ? {} : { user }),
  });
  await server.start();
  return { server, port };
}

/** The newest first. */
function versionFolders(): readonly string[] {
  const names = existsSync(versions) ? readdirSync(versions) : [];
  return names
    .toSorted((one, other) => Number(other) - Number(one))
    .map((name) => join(versions, name, "bin"));
}

/** PostgreSQL refuses to run as root. */
function ordinaryUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string, name: string) =>
    Number(
      execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  for (const name of ["postgres", "nobody"]) {
    try {
      return { uid: idOf("-u", name), gid: idOf("-g", name) };
    } catch {
      // There is no such user here: the next one.
    }
  }
  throw new MillraceError("MR_USAGE", "PostgreSQL does not run as root.", {
    remedy: "Drill it as an ordinary user.",
  });
}
