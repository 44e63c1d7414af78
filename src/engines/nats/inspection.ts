import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Clock } from "../../lib/clock.ts";
import { isMillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { NatsAddress } from "./address.ts";
import { toMillraceError, unavailable } from "./failures.ts";
import { type MonitoredServer, monitoredServers } from "./monitoring.ts";
import { connectTo, visit } from "./opening.ts";
import { infoOf, streamFaults } from "./stream.ts";
import { judgeVersion } from "./versions.ts";

/** One thing that was looked at; `fail` is what the promises exclude. */
export interface NatsFinding {
  readonly what: string;
  readonly status: "pass" | "warn" | "fail";
  readonly detail: string;
  readonly remedy?: string;
}

/**
 * Looks at servers and stream, and changes nothing.
 *
 * @throws MR_QUEUE_UNAVAILABLE where too few servers are there to look at, MR_CONFIG_INVALID
 */
export const lookAtNats = (url: string, clock: Clock): Promise<NatsFinding[]> =>
  visit(url, async ({ address, nc, jsm }) => [
    ...(await serverFindings(address, nc, clock)),
    ...(await streamFindings(address, jsm)),
    await latencyFinding(nc),
  ]);

/** The same; that nobody could look is what it finds then. */
export async function inspectNats(url: string, clock: Clock): Promise<NatsFinding[]> {
  try {
    return await lookAtNats(url, clock);
  } catch (error) {
    const { message, remedy } = isMillraceError(error) ? error : toMillraceError(error, "none");
    const detail = message.replaceAll("\n", " ");
    return [{ what: "NATS", status: "fail", detail, remedy: remedy ?? "Start the servers." }];
  }
}

/** @throws MR_QUEUE_UNAVAILABLE, MR_CONFIG_INVALID */
export const hasStream = (url: string): Promise<boolean> =>
  visit(url, async ({ address, jsm }) => (await infoOf(jsm, address.stream)) !== undefined);

async function serverFindings(
  address: NatsAddress,
  nc: NatsConnection,
  clock: Clock,
): Promise<NatsFinding[]> {
  const servers = await monitoredServers(address);
  const nowMs = clock.now();
  const told = servers.filter((server) => server !== undefined);
  const versions = told.length > 0 ? told.map(({ version }) => version) : [nc.info?.version ?? ""];
  return [
    ...[...new Set(versions)].map(judgeVersion),
    await syncFinding(address, servers),
    ...payloadFindings(nc.info?.max_payload ?? 0),
    ...told.flatMap((server) => clockFindings(server, nowMs)),
  ];
}

/** Whether a server takes clients. */
async function answersAt(server: string, address: NatsAddress): Promise<boolean> {
  try {
    const nc = await connectTo({ ...address, servers: [server] });
    await nc.close();
    return true;
  } catch (error) {
    return !isMillraceError(error, "MR_QUEUE_UNAVAILABLE");
  }
}

async function syncFinding(
  address: NatsAddress,
  told: readonly (MonitoredServer | undefined)[],
): Promise<NatsFinding> {
  const { servers, monitor } = address;
  const what = "NATS sync";
  const remedy = "Set  jetstream { sync_interval: always }  on every server.";
  const lax = servers.filter((_, at) => told[at]?.syncAlways === false);
  if (lax.length > 0) {
    const detail = `${lax.join(", ")} acknowledges before it syncs: a power cut can take what was accepted`;
    return { what, status: "fail", detail, remedy };
  }
  const silent = servers.filter((_, at) => told[at] === undefined);
  const answers = await Promise.all(silent.map((server) => answersAt(server, address)));
  if (silent.length > 0 && !answers.includes(true)) {
    const down = silent.join(", ");
    // The loss of one of three stops nobody, nor keeps anybody from starting.
    if (silent.length >= servers.length / 2) {
      throw unavailable(`Too few NATS servers are there: ${down} cannot be reached.`);
    }
    const detail = `${down} is down, and does not say whether it syncs before it acknowledges`;
    return { what, status: "warn", detail, remedy: "Start it again." };
  }
  if (silent.length > 0) {
    const detail = `${silent.join(", ")} does not say whether it syncs before it acknowledges`;
    const how =
      monitor.length === 0
        ? "Name the servers' monitoring port in the address:  &monitor=8222"
        : "Let this host reach the servers' monitoring port.";
    return { what, status: "fail", detail, remedy: how };
  }
  return { what, status: "pass", detail: "every server syncs before it acknowledges" };
}

function payloadFindings(bytes: number): NatsFinding[] {
  const neededBytes = limits.dataBytesMax + limits.natsEventRoomBytes;
  if (bytes >= neededBytes) return [];
  const detail = `max_payload is ${bytes} bytes: the largest events that Millrace takes are refused`;
  const remedy = "Set  max_payload: 2MB  on every server, or keep events small.";
  return [{ what: "NATS payload", status: "warn", detail, remedy }];
}

function clockFindings({ host, nowMs }: MonitoredServer, ownMs: number): NatsFinding[] {
  const apartMs = Math.abs(nowMs - ownMs);
  if (apartMs <= limits.natsClockApartMs) return [];
  const detail = `the clock of ${host} is ${(apartMs / 1_000).toFixed(1)} s from this one`;
  const remedy =
    "Let all hosts follow one time server: retention and lag are told by these clocks.";
  return [{ what: "NATS clock", status: "warn", detail, remedy }];
}

async function streamFindings(
  { stream, replicas }: NatsAddress,
  jsm: JetStreamManager,
): Promise<NatsFinding[]> {
  const info = await infoOf(jsm, stream);
  if (info === undefined) {
    const detail = `the stream ${stream} will be made at the first start`;
    return [{ what: "NATS stream", status: "pass", detail }, replicaFinding(replicas)];
  }
  const faults = streamFaults(info);
  if (faults.length > 0) {
    const detail = `the stream ${stream} was changed: ${faults.join("; ")}`;
    const remedy = "Set it back with  nats stream edit.";
    return [{ what: "NATS stream", status: "fail", detail, remedy }];
  }
  const { num_replicas } = info.config;
  const detail = `${stream}, ${info.state.messages} messages, ${info.state.bytes} bytes`;
  return [{ what: "NATS stream", status: "pass", detail }, replicaFinding(num_replicas)];
}

function replicaFinding(replicas: number): NatsFinding {
  const what = "NATS replicas";
  if (replicas >= 3) return { what, status: "pass", detail: String(replicas) };
  return {
    what,
    status: "fail",
    detail: `${replicas}: the loss of one server loses what was accepted`,
    remedy: "Run three servers and make the stream with  ?replicas=3",
  };
}

async function latencyFinding(nc: NatsConnection): Promise<NatsFinding> {
  const ms = await nc.rtt();
  const detail = `a round trip to a server takes ${ms.toFixed(1)} ms`;
  if (ms < 20) return { what: "NATS latency", status: "pass", detail };
  const remedy = "Every receipt waits for two of them; keep servers and gateways in one region.";
  return { what: "NATS latency", status: "warn", detail, remedy };
}
