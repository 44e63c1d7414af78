import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../../src/lib/free-port.ts";
import { newFolder } from "./place.ts";
import { type Program, startProgram, until } from "./process.ts";
import { canConnect, findNats } from "./servers.ts";

export interface NatsServers extends AsyncDisposable {
  readonly programs: readonly Program[];
  /** As clients take them. */
  readonly servers: string;
  /** As MILLRACE_QUEUE takes it. */
  readonly url: string;
}

/** One or three servers of NATS with JetStream, each of which syncs before it acknowledges. */
export async function startNats(count: 1 | 3): Promise<NatsServers> {
  const command = findNats();
  const folder = newFolder("nats");
  const free = await freePorts(3 * count);
  const places = Array.from({ length: count }, (_, at) => {
    const [port = 0, routePort = 0, http = 0] = free.slice(3 * at);
    return { port, routePort, http };
  });
  const routes = places.map(({ routePort }) => `"nats://127.0.0.1:${routePort}"`).join(", ");
  const programs = places.map(({ port, routePort, http }, at) => {
    const config = join(folder.path, `${at}.conf`);
    const cluster = `cluster { name: bench, listen: "127.0.0.1:${routePort}", routes: [${routes}] }`;
    writeFileSync(
      config,
      `server_name: s${at}
listen: "127.0.0.1:${port}"
http: "127.0.0.1:${http}"
jetstream { store_dir: "${join(folder.path, String(at))}", sync_interval: always }
${count > 1 ? cluster : ""}\n`,
    );
    return startProgram(command, ["-c", config]);
  });
  await Promise.all(
    programs.map((program, at) =>
      until(program, "NATS listens", () => canConnect(places[at]?.port ?? 0)),
    ),
  );
  const leads = places.map(
    ({ http }) =>
      async () =>
        hasLeader(http, count),
  );
  for (const [at, program] of programs.entries()) {
    await until(program, "JetStream has a leader", leads[at] ?? (() => true));
  }
  const hosts = places.map(({ port }) => `127.0.0.1:${port}`).join(",");
  const monitor = places.map(({ http }) => http).join(",");
  return {
    programs,
    servers: hosts,
    url: `nats://${hosts}?replicas=${count}&monitor=${monitor}`,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(programs.map((program) => program.stop("SIGTERM")));
      folder.remove();
    },
  };
}

async function hasLeader(http: number, count: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${http}/jsz`);
  const state = (await answer.json()) as {
    meta_cluster?: { leader?: string; cluster_size?: number };
  };
  if (count === 1) return true;
  return (state.meta_cluster?.leader ?? "") !== "" && state.meta_cluster?.cluster_size === count;
}
