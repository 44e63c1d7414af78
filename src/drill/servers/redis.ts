import { once } from "node:events";
import { connect } from "node:net";
import { freePort } from "../../lib/free-port.ts";
import {
  type EngineServers,
  type EngineServersOptions,
  killServer,
  serverFault,
  stopServer,
} from "./engine-servers.ts";
import { findProgram } from "./find-program.ts";
import { ServerProcess } from "./server-process.ts";

const program = { name: "redis-server", install: "On Debian: apt-get install redis-server" };

/** A Redis server that keeps nothing on its disk: a cache, which a kill empties. */
export async function startRedis(options: EngineServersOptions): Promise<EngineServers> {
  const { folder, clock, onOutput } = options;
  const port = await freePort();
  const where = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
  const server = new ServerProcess({
    name: "redis",
    program: findProgram(program),
    parameters: [...where, "--save", "", "--appendonly", "no", "--loglevel", "warning"],
    isReady: () => answers(port),
    clock,
    onOutput,
  });
  await server.start();
  return {
    environment: { MILLRACE_CACHE: `redis://127.0.0.1:${port}` },
    faults: [
      serverFault("redis", "kill", () => killServer(server)),
      serverFault("redis", "stop", () => stopServer(server)),
    ],
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write("PING\r\n");
    const [answer] = await once(socket, "data");
    return String(answer).startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
