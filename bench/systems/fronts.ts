import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/lib/free-port.ts";
import { dataFolderAt } from "../../src/runtime/data-folder.ts";
import { usageOfTree } from "../measure/processes.ts";
import { answersOk } from "./millrace.ts";
import { startPeer } from "./peer.ts";
import { newFolder } from "./place.ts";
import { type Program, startProgram, until } from "./process.ts";
import { findProgram } from "./servers.ts";
import type { SystemUnderTest } from "./system.ts";

/** Bare Fastify behind a load balancer of its own. */
export async function startBehind(balancer: "ours" | "haproxy"): Promise<SystemUnderTest> {
  const folder = newFolder("b");
  const socketPath = dataFolderAt(folder.path).socket("gateway-1");
  const port = await freePort();
  const fastify = await startPeer({ name: "Fastify", front: "bare-fastify.ts", socketPath });
  const start = balancer === "ours" ? startOurs : startHaproxy;
  let program: Program | undefined;
  const stop = async () => {
    await program?.stop(balancer === "ours" ? "SIGINT" : "SIGTERM");
    await fastify[Symbol.asyncDispose]();
    folder.remove();
  };
  try {
    program = start(folder.path, port, socketPath);
    await until(program, "the balancer answers", () => answersOk(port, "/count"));
  } catch (error) {
    await stop();
    throw error;
  }
  const { pid } = program;
  return {
    ...fastify,
    name: `Fastify behind ${balancer}`,
    target: { port },
    usage: () => [...fastify.usage(), ...usageOfTree(pid, () => "balancer")],
    [Symbol.asyncDispose]: stop,
  };
}

const command = fileURLToPath(new URL("../../bin/millrace.mjs", import.meta.url));
const app = fileURLToPath(new URL("../apps/light.ts", import.meta.url));

/** Our balancer alone looks for a gateway where this one's socket is. */
const startOurs = (data: string, port: number): Program =>
  startProgram(process.execPath, [command, "start", app, "--only", "balancer"], {
    environment: {
      ...process.env,
      MILLRACE_DATA: data,
      MILLRACE_PORT: String(port),
      MILLRACE_GATEWAYS: "1",
      MILLRACE_DASHBOARD_PORT: "off",
      MILLRACE_LOG_LEVEL: "warn",
    },
  });

/** One thread, kept-alive connections, health checks: what an ordinary configuration has. */
function startHaproxy(folder: string, port: number, socketPath: string): Program {
  const program = findProgram("haproxy", "/usr/sbin/haproxy");
  const file = join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  option http-keep-alive
frontend front
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  option httpchk GET /readyz
  server gateway-1 unix@${socketPath} check\n`,
  );
  return startProgram(program, ["-f", file, "-db"]);
}
