import { limits } from "../../lib/limits.ts";
import type { NatsAddress } from "./address.ts";

/** What a server's monitoring says that no client is told. */
export interface MonitoredServer {
  readonly host: string;
  readonly version: string;
  /** Whether it syncs every write before it acknowledges. */
  readonly syncAlways: boolean;
  readonly maxPayloadBytes: number;
  /** By its own clock, milliseconds since 1970. */
  readonly nowMs: number;
}

interface Varz {
  readonly version: string;
  readonly now: string;
  readonly max_payload: number;
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean } };
}

/** One for each server of the address, undefined for one that does not tell. */
export function monitoredServers({
  servers,
  monitor,
}: NatsAddress): Promise<(MonitoredServer | undefined)[]> {
  return Promise.all(
    servers.map((server, at) => {
      const port = monitor[at] ?? monitor[0];
      return port === undefined ? undefined : monitored(hostOf(server), port);
    }),
  );
}

async function monitored(host: string, port: number): Promise<MonitoredServer | undefined> {
  try {
    const signal = AbortSignal.timeout(limits.natsConnectMs);
    const answer = await fetch(`http://${host}:${port}/varz`, { signal });
    const { version, now, max_payload, jetstream } = (await answer.json()) as Varz;
    const syncAlways = jetstream?.config?.sync_always === true;
    return { host, version, syncAlways, maxPayloadBytes: max_payload, nowMs: Date.parse(now) };
  } catch {
    return undefined;
  }
}

/** Whether all servers sync before they acknowledge; undefined where one of them does not tell. */
export async function syncedServers(address: NatsAddress): Promise<boolean | undefined> {
  const servers = await monitoredServers(address);
  if (servers.some((server) => server?.syncAlways === false)) return false;
  return servers.includes(undefined) ? undefined : true;
}

const hostOf = (server: string): string => server.slice(0, server.lastIndexOf(":"));
