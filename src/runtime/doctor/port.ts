import { createServer } from "node:net";
import { isMillraceError } from "../../lib/errors.ts";
import { listen } from "../../lib/listen.ts";
import type { Config } from "../config.ts";
import { dataFolderAt } from "../data-folder.ts";
import { takenBoxes } from "../data-lock.ts";
import type { Finding } from "./finding.ts";

/** Whether the API's port can be had. It is no fault where the system itself has it. */
export async function checkPort(config: Config): Promise<Finding> {
  const what = "Port";
  const { host, port } = config;
  const taken = await takenBoxes(dataFolderAt(config.data));
  const balancer = taken.find(({ box, isRunning }) => box === "balancer" && isRunning);
  if (balancer !== undefined) {
    const detail = `the system of this data folder runs (pid ${balancer.pid})`;
    return { what, status: "pass", detail };
  }
  const server = createServer();
  try {
    await listen(server, { host, port }, "MILLRACE_PORT");
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
      remedy: known?.remedy ?? "Set MILLRACE_HOST and MILLRACE_PORT to ones of this machine.",
    };
  } finally {
    server.close();
  }
}
