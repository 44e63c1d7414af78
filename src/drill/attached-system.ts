import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { MillraceError } from "../lib/errors.ts";
import { loadApplication } from "../runtime/application.ts";
import { parseConfig } from "../runtime/config.ts";
import { existingDataFolder } from "../runtime/data-folder.ts";
import { takenBoxes } from "../runtime/data-lock.ts";
import type { Victim } from "./faults/processes.ts";
import { type DrilledSystem, isOfKind } from "./system.ts";

export interface AttachOptions {
  readonly app: string;
  /** Its data folder, on this machine. */
  readonly folder: string;
  /** Where its API is; absent: at MILLRACE_URL, else at MILLRACE_PORT. */
  readonly url: string | undefined;
}

/** A system that somebody else has started, on this machine. */
export async function attachSystem({ app, folder, url }: AttachOptions): Promise<DrilledSystem> {
  const { config } = parseConfig({ data: folder }, process.env);
  const data = await existingDataFolder(config.data);
  const supervisors = async () =>
    new Set((await takenBoxes(data)).filter(({ isRunning }) => isRunning).map(({ pid }) => pid));
  if ((await supervisors()).size === 0) {
    throw new MillraceError("MR_DATA_UNUSABLE", `Nothing runs on ${data.path}.`, {
      remedy: "Start the system first, or leave out --attach: then a drill starts one of its own.",
    });
  }
  const whole = (await childrenOf(await supervisors())).length;
  const base = url ?? process.env.MILLRACE_URL ?? `http://127.0.0.1:${config.port}`;
  return {
    definition: await loadApplication(app),
    url: base.replace(/\/+$/, ""),
    isOwn: false,
    config,
    data,
    async victims(kind, worker) {
      const boxes = await childrenOf(await supervisors());
      return boxes.filter(({ name }) => isOfKind(name, kind, worker));
    },
    isWhole: async () => (await childrenOf(await supervisors())).length >= whole,
    kill: () => {},
    stop: async () => {},
  };
}

/** The boxes under these supervisors, by the names that stand at the end of their titles. */
async function childrenOf(supervisors: ReadonlySet<number>): Promise<Victim[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,ppid=,args="]);
  return stdout.split("\n").flatMap((line) => {
    const [pid, ppid, ...args] = line.trim().split(/\s+/);
    const name = args.findLast((arg) => /^(balancer|gateway-\d+|worker-.+-\d+)$/.test(arg));
    if (name === undefined || !supervisors.has(Number(ppid))) return [];
    return [{ name, pid: Number(pid) }];
  });
}
