import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../lib/free-port.ts";
import { startSystem } from "../runtime/start.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import { type DrilledSystem, isOfKind } from "./system.ts";

const here = fileURLToPath(import.meta.url);

/** The application that is run where none is given. Compiled it ends in .js, else in .ts. */
export const ownApplication = fileURLToPath(new URL(`./app${extname(here)}`, import.meta.url));

export interface OwnSystemOptions {
  readonly app: string;
  /** A new and empty folder. */
  readonly folder: string;
  /** `first=2,second=2` */
  readonly workers: string;
  readonly gateways: string;
  /** Variables that choose the engines; all others are left at their defaults. */
  readonly environment: Readonly<Record<string, string>>;
  readonly boxEnvironment: Readonly<Record<string, string>>;
  readonly onOutput: (text: string) => void;
  readonly onSupervised: (supervisor: Supervisor) => void;
}

/** Starts a system for a drill alone: its own data, its own port, and this process above it. */
export async function startOwnSystem(options: OwnSystemOptions): Promise<DrilledSystem> {
  const { app, folder, workers, gateways, environment, boxEnvironment, onOutput } = options;
  const port = await freePort();
  const started = await startSystem(
    {
      app,
      flags: { data: folder, port: String(port), adminPort: "off", workers, gateways },
      environment,
      only: undefined,
      mayShowKey: false,
      boxEnvironment,
      onOutput,
    },
    options.onSupervised,
  );
  const { supervisor, system, config, data } = started;
  return {
    definition: system,
    url: `http://127.0.0.1:${port}`,
    isOwn: true,
    config,
    data,
    async victims(kind, worker) {
      return supervisor.snapshot().flatMap(({ name, pid, state }) => {
        const isMeant = isOfKind(name, kind, worker) && state === "running";
        return pid === undefined || !isMeant ? [] : [{ name, pid }];
      });
    },
    isWhole: async () => supervisor.snapshot().every(({ state }) => state === "running"),
    kill: () => supervisor.kill(),
    stop: () => started.stop(),
  };
}
