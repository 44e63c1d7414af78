/**
 * The configuration of NATS that `millrace deploy` writes, given to three real servers: they find
 * each other, sync before they acknowledge, take the largest events, and Millrace has nothing to
 * refuse about them under the address that the boxes get.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { findProgram } from "../../src/drill/servers/find-program.ts";
import { ServerProcess } from "../../src/drill/servers/server-process.ts";
import { inspectNats } from "../../src/engines/nats/inspection.ts";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { loadApplication } from "../../src/runtime/application.ts";
import { parseConfig } from "../../src/runtime/config.ts";
import { composeFiles } from "../../src/runtime/deploy/compose.ts";
import { deployedSystem } from "../../src/runtime/deploy/picture.ts";
import { freePorts } from "../support/free-port.ts";
import { natsMissing } from "../support/nats-cluster.ts";

const app = "examples/social/app.ts";
const password = "0123456789abcdef".repeat(4);
const names = ["nats-1", "nats-2", "nats-3"];

describe.skipIf(natsMissing())(`three NATS servers (${natsMissing() ?? ""})`, () => {
  it("are as Millrace needs them", { timeout: 120_000 }, async () => {
    const { config } = parseConfig({}, {});
    const files = composeFiles(deployedSystem(await loadApplication(app), app, config));
    const free = await freePorts(3 * names.length);
    const places = names.map((name, at) => {
      const [port = 0, monitor = 0, route = 0] = free.slice(3 * at);
      return { name, port, monitor, route };
    });
    const folder = await mkdtemp(join(tmpdir(), "millrace-deployed-nats-"));
    const program = findProgram({
      name: "nats-server",
      folders: [".servers/nats/usr/sbin"],
      install: "",
    });
    const servers = await Promise.all(
      places.map(async ({ name, port, monitor, route }) => {
        // Where three containers have an address each, three processes have ports of their own.
        const text = places
          .reduce(
            (routes, other) => routes.replace(`//${other.name}:6222`, `//127.0.0.1:${other.route}`),
            files["nats.conf"] ?? "",
          )
          .replace("port: 4222", `listen: "127.0.0.1:${port}"`)
          .replace("http_port: 8222", `http: "127.0.0.1:${monitor}"`)
          .replace("port: 6222", `listen: "127.0.0.1:${route}"`)
          .replace("/data", join(folder, name));
        const file = join(folder, `${name}.conf`);
        await writeFile(file, text);
        const variables = [`SERVER_NAME=${name}`, `NATS_PASSWORD=${password}`];
        return new ServerProcess({
          name,
          program: "env",
          parameters: [...variables, program, "-c", file],
          isReady: () => isHealthy(monitor),
          clock: systemClock,
          onOutput: () => {},
        });
      }),
    );
    try {
      await Promise.all(servers.map((server) => server.start()));
      const url = queueOf(files["compose.yaml"] ?? "")
        .replace(names.map((name) => `${name}:4222`).join(","), places.map(at).join(","))
        .replace("monitor=8222", `monitor=${places.map(({ monitor }) => monitor).join(",")}`);
      const queue = await openNatsQueue({ url });
      await queue.close();
      const findings = await inspectNats(url, systemClock);
      const unwell = findings.filter(({ status, what }) => status !== "pass" && what !== latency);
      expect(unwell).toEqual([]);
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** How busy this machine is says nothing about the configuration. */
const latency = "NATS latency";

const at = ({ port }: { readonly port: number }): string => `127.0.0.1:${port}`;

/** What the first box of a Compose project is told, with the secret in it. */
function queueOf(compose: string): string {
  const { services } = parse(compose);
  return String(services["gateway-1"].environment.MILLRACE_QUEUE).replace(
    /\$\{NATS_PASSWORD:\?[^}]*\}/,
    password,
  );
}

/** As the probes ask. */
async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/healthz?js-server-only=true`)).ok;
  } catch {
    return false;
  }
}
