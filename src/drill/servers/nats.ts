import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../../lib/free-port.ts";
import type { Fault, Struck } from "../fault.ts";
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

const program = {
  name: "nats-server",
  // Where this repository's script puts it.
  folders: [".servers/nats/usr/sbin"],
  install: "See https://nats.io, or your system's packages; it takes version 2.11.2 or later.",
};

/** One of three servers: its process, where it can be asked, and its ways to the others. */
interface Member {
  readonly server: ServerProcess;
  readonly port: number;
  readonly monitorPort: number;
  /** Every stretch between it and another, in both directions. */
  readonly routes: readonly Route[];
}

/**
 * Three NATS servers with JetStream, each of which syncs before it acknowledges. They reach each
 * other over routes that can be cut: one for each direction between two.
 */
export async function startNats(options: EngineServersOptions): Promise<EngineServers> {
  const file = findProgram(program);
  const members = await plan(file, options);
  const stop = async () => {
    for (const { server } of members) await server[Symbol.asyncDispose]();
    const routes = new Set(members.flatMap((member) => member.routes));
    for (const route of routes) await route[Symbol.asyncDispose]();
  };
  try {
    await Promise.all(members.map(({ server }) => server.start()));
    await untilLed(members, options);
  } catch (error) {
    await stop();
    throw error;
  }
  const hosts = members.map(({ port }) => `127.0.0.1:${port}`).join(",");
  const monitors = members.map(({ monitorPort }) => monitorPort).join(",");
  return {
    environment: { MILLRACE_QUEUE: `nats://${hosts}?replicas=3&monitor=${monitors}` },
    faults: faultsOf(members),
    [Symbol.asyncDispose]: stop,
  };
}

function faultsOf(members: readonly Member[]): Fault[] {
  const leader = async () => {
    const found = await streamLeader(members);
    if (found === undefined) throw new Error("no server leads the stream");
    return found;
  };
  const leading = (struck: Struck): Struck => ({
    ...struck,
    what: `${struck.what}, which leads the stream`,
  });
  return [
    serverFault("nats", "kill", async () => leading(await killServer((await leader()).server))),
    serverFault("nats", "stop", async () => leading(await stopServer((await leader()).server))),
    serverFault("nats", "cut", async () => {
      const { server, routes } = await leader();
      for (const route of routes) route.cut();
      const heal = async () => {
        for (const route of routes) route.mend();
      };
      return leading({ what: `${server.name} cut off from the other two`, heal });
    }),
  ];
}

async function plan(file: string, options: EngineServersOptions): Promise<Member[]> {
  const names = ["nats-1", "nats-2", "nats-3"];
  const free = await freePorts(3 * names.length);
  const ports = names.map((_, at) => {
    const [port = 0, monitorPort = 0, routePort = 0] = free.slice(3 * at);
    return { port, monitorPort, routePort };
  });
  /** `from` → `to`, by their places. */
  const routes = new Map<string, Route>();
  for (const from of names.keys()) {
    for (const [to, { routePort }] of ports.entries()) {
      if (from !== to) routes.set(`${from} ${to}`, await Route.open(routePort));
    }
  }
  return await Promise.all(
    ports.map(async ({ port, monitorPort, routePort }, at) => {
      const name = names[at] ?? "";
      const ways = [...routes].filter(([way]) => way.split(" ").includes(String(at)));
      const outward = ways.filter(([way]) => way.startsWith(`${at} `));
      const peers = outward.map(([, route]) => `"nats://127.0.0.1:${route.port}"`).join(", ");
      const folder = join(options.folder, name);
      await mkdir(folder, { recursive: true });
      const config = join(folder, "nats.conf");
      await writeFile(
        config,
        `server_name: ${name}
listen: "127.0.0.1:${port}"
http: "127.0.0.1:${monitorPort}"
jetstream { store_dir: "${folder}", sync_interval: always }
# Servers tell each other where further ones are; here that must lead nowhere, or it would lead
# around the routes.
cluster {
  name: drill, listen: "127.0.0.1:${routePort}", advertise: "127.0.0.1:9", routes: [${peers}]
}
`,
      );
      const server = new ServerProcess({
        name,
        program: file,
        parameters: ["-c", config],
        isReady: async () => (await monitor(monitorPort, "/varz")) !== undefined,
        clock: options.clock,
        onOutput: options.onOutput,
      });
      return { server, port, monitorPort, routes: ways.map(([, route]) => route) };
    }),
  );
}

/** Until all know each other and one of them leads. */
async function untilLed(
  members: readonly Member[],
  { clock }: EngineServersOptions,
): Promise<void> {
  const deadline = clock.monotonic() + 60_000;
  for (;;) {
    const states = await Promise.all(
      members.map(({ monitorPort }) => monitor(monitorPort, "/jsz")),
    );
    const isLed = (state: JetStreamState | undefined) =>
      (state?.meta_cluster?.leader ?? "") !== "" &&
      state?.meta_cluster?.cluster_size === members.length;
    if (states.every(isLed)) return;
    if (clock.monotonic() > deadline) throw new Error("the NATS servers found no leader");
    await clock.sleep(100);
  }
}

/** The member that leads the one stream that there is. */
async function streamLeader(members: readonly Member[]): Promise<Member | undefined> {
  for (const { server, monitorPort } of members) {
    if (!server.isRunning) continue;
    const state = await monitor(monitorPort, "/jsz?streams=true");
    const streams = (state?.account_details ?? []).flatMap((one) => one.stream_detail ?? []);
    // Streams of state that a queue keeps beside its own are of type KV, by their name.
    const queue = streams.find(({ name }) => !name.startsWith("KV_"));
    const leader = members.find((member) => member.server.name === queue?.cluster?.leader);
    if (leader !== undefined) return leader;
  }
  return undefined;
}

interface JetStreamState {
  readonly meta_cluster?: { readonly leader?: string; readonly cluster_size?: number };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: { readonly leader?: string };
    }[];
  }[];
}

/** What a server's monitoring says; undefined where it does not answer. */
async function monitor(port: number, path: string): Promise<JetStreamState | undefined> {
  try {
    const signal = AbortSignal.timeout(1_000);
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal });
    return (await answer.json()) as JetStreamState;
  } catch {
    return undefined;
  }
}
