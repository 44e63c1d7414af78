import type { Clock } from "../../lib/clock.ts";
import type { Fault, Struck } from "../fault.ts";
import { type ServerEngine, serverFaults } from "../targets.ts";
import type { ServerProcess } from "./server-process.ts";

/** Servers that a drill starts for itself, with the faults that they can have. */
export interface EngineServers extends AsyncDisposable {
  /** The variables that make a system use them. */
  readonly environment: Readonly<Record<string, string>>;
  readonly faults: readonly Fault[];
}

export interface EngineServersOptions {
  /** A folder that exists, for their data. */
  readonly folder: string;
  readonly clock: Clock;
  readonly onOutput: (text: string) => void;
}

/** A fault with the words that the table of targets has for it. */
export function serverFault(
  engine: ServerEngine,
  name: string,
  strike: () => Promise<Struck>,
): Fault {
  const { target, faults } = serverFaults[engine];
  return { target, name, says: (faults as Readonly<Record<string, string>>)[name] ?? "", strike };
}

/** `kill -9`; it is begun again when it is healed, with the data that it had. */
export async function killServer(server: ServerProcess): Promise<Struck> {
  await server.kill();
  // One that does not come back is seen by what it was needed for: that is not recovered from.
  const heal = () => server.start().catch(() => {});
  return { what: `kill -9 of ${server.name}`, heal };
}

export async function stopServer(server: ServerProcess): Promise<Struck> {
  await server.pause();
  return { what: `SIGSTOP of ${server.name}`, heal: () => server.resume() };
}
