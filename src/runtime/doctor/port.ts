import { createServer } from "node:net";
import { isMillraceError } from "../../lib/errors.ts";
import { listen } from "../../lib/listen.ts";
import type { Config } from "../config.ts";
import { dataFolderAt } from "../data-folder.ts";
import { type TakenBox, takenBoxes } from "../data-lock.ts";
import type { Finding } from "./finding.ts";

/** Whether the ports can be had. It is no fault where the system itself has them. */
export async function checkPorts(config: Config): Promise<Finding[]> {
  const taken = await takenBoxes(dataFolderAt(config.data));
  const { host, port, adminHost, adminPort } = config;
  const wanted: Wanted[] = [
    { what: "Port", box: "balancer", host, port, variable: "MILLRACE_PORT" },
  ];
  if (adminPort !== "off") {
    const variable = "MILLRACE_DASHBOARD_PORT";
    wanted.push({ what: "Admin port", box: "admin", host: adminHost, port: adminPort, variable });
  }
  return await Promise.all(wanted.map((one) => checkPort(one, taken)));
}

interface Wanted {
  readonly what: string;
  readonly box: string;
  readonly host: string;
  readonly port: number;
  readonly variable: string;
}

async function checkPort(
  { what, box, host, port, variable }: Wanted,
  taken: readonly TakenBox[],
): Promise<Finding> {
  const holder = taken.find((one) => one.box === box && one.isRunning);
  if (holder !== undefined) {
    const detail = `the system of this data folder runs (pid ${holder.pid})`;
    return { what, status: "pass", detail };
  }
  const server = createServer();
  try {
    await listen(server, { host, port }, variable);
    return { what, status: "pass", detail: `${port} on ${host} is free` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const known = isMillraceError(error) ? error : undefined;
    const detail =
      known?.message ?? `${port} on ${host} cannot be listened on (${code ?? message})`;
    return {
      what,
      status: "fail",
      detail,
      remedy: known?.remedy ?? `Set ${variable} and its host to ones of this machine.`,
    };
  } finally {
    server.close();
  }
}
