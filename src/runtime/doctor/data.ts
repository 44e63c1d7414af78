import { randomUUID } from "node:crypto";
import { access, open, stat, statfs, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemClock } from "../../lib/clock.ts";
import { asError, isMillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { Config } from "../config.ts";
import { type DataFolder, dataFolderAt, existingDataFolder } from "../data-folder.ts";
import { takenBoxes } from "../data-lock.ts";
import { createEngines, isPostgres } from "../engines.ts";
import type { Finding } from "./finding.ts";

/** The data folder, the disk below it, and what is in it. Writes one file and removes it again. */
export async function checkData(config: Config): Promise<Finding[]> {
  const data = dataFolderAt(config.data);
  const folder = await nearestFolder(data.path);
  const findings = [
    await checkFolder(data, folder),
    await checkFileSystem(folder),
    await checkSpace(folder),
    await checkSync(folder),
  ];
  if (folder !== data.path) return findings;
  return [...findings, await checkQueue(config, data), ...(await checkLeftovers(data))];
}

/** Where nothing is yet, the folder above is what counts. */
async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory() || folder === dirname(folder)) return folder;
  }
}

async function checkFolder(data: DataFolder, folder: string): Promise<Finding> {
  const what = "Data folder";
  if (folder !== data.path) {
    return { what, status: "pass", detail: `${data.path} will be made at the first start` };
  }
  try {
    await existingDataFolder(data.path);
    return { what, status: "pass", detail: data.path };
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const { message: detail, remedy = "See docs/errors.md." } = error;
    return { what, status: "fail", detail, remedy };
  }
}

/** Magic numbers of file systems, as `statfs` tells them on Linux. */
const networkSystems: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  12805120: "Ceph",
  1702057286: "FUSE",
  16914839: "9p",
};
const memorySystems = new Set([16_914_836, 2_240_043_254]);

async function checkFileSystem(folder: string): Promise<Finding> {
  const what = "File system";
  const { type } = await statfs(folder);
  const network = process.platform === "linux" ? networkSystems[type] : undefined;
  if (network !== undefined) {
    return {
      what,
      status: "warn",
      detail: `${folder} lies on ${network}: SQLite's locks and syncs may not hold there`,
      remedy: "Set MILLRACE_DATA to a folder on a local disk.",
    };
  }
  if (process.platform === "linux" && memorySystems.has(type)) {
    return {
      what,
      status: "warn",
      detail: `${folder} lies in memory: a restart of the machine loses everything`,
      remedy: "Set MILLRACE_DATA to a folder on a disk.",
    };
  }
  return { what, status: "pass", detail: "local" };
}

async function checkSpace(folder: string): Promise<Finding> {
  const what = "Free space";
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const detail = `${(freeBytes / 2 ** 30).toFixed(1)} GiB`;
  const neededBytes = limits.diskLowBytes + limits.ballastBytes;
  if (freeBytes > 8 * neededBytes) return { what, status: "pass", detail };
  return {
    what,
    status: freeBytes > neededBytes ? "warn" : "fail",
    detail: `${detail}; below ${neededBytes / 2 ** 20} MiB nothing is accepted any more`,
    remedy: "Free some space, or set MILLRACE_DATA to another disk.",
  };
}

/** What a receipt costs: one small write that is really on the disk. */
async function checkSync(folder: string): Promise<Finding> {
  const what = "Sync";
  const file = join(folder, `.millrace-doctor-${randomUUID()}`);
  const times: number[] = [];
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      for (let turn = 0; turn < 20; turn++) {
        const startMs = systemClock.monotonic();
        await handle.write(Buffer.alloc(4_096, turn), 0, 4_096, 0);
        await handle.datasync();
        times.push(systemClock.monotonic() - startMs);
      }
    } finally {
      await handle.close();
      await unlink(file);
    }
  } catch (error) {
    const detail = `nothing can be written in ${folder}: ${asError(error).message}`;
    const remedy = "Let this user write there, or set MILLRACE_DATA to another folder.";
    return { what, status: "fail", detail, remedy };
  }
  const medianMs = times.sort((a, b) => a - b)[times.length / 2] ?? 0;
  const detail = `a write reaches the disk in ${medianMs.toFixed(2)} ms`;
  if (medianMs < 20) return { what, status: "pass", detail };
  const remedy = "Every receipt waits that long; a local SSD takes less than 1 ms.";
  return { what, status: "warn", detail, remedy };
}

async function checkQueue(config: Config, data: DataFolder): Promise<Finding> {
  const what = "Queue";
  if (isPostgres(config.queue)) return { what, status: "pass", detail: "not in this folder" };
  const isElsewhere = config.queue !== "sqlite:";
  const isThere = await access(data.queue).then(
    () => true,
    () => false,
  );
  if (!isThere && !isElsewhere) return { what, status: "pass", detail: "none yet" };
  const onFatal = () => {};
  const engines = createEngines({ config, data, clock: systemClock, onFatal });
  try {
    const { status, detail } = await (await engines.queue()).health();
    if (status === "pass") return { what, status, detail };
    return { what, status, detail, remedy: "See docs/errors.md for what the code says." };
  } catch (error) {
    const { message: detail, remedy } = isMillraceError(error)
      ? error
      : (asError(error) as Error & { remedy?: string });
    return { what, status: "fail", detail, remedy: remedy ?? "Restore it from a backup." };
  } finally {
    await engines[Symbol.asyncDispose]();
  }
}

async function checkLeftovers(data: DataFolder): Promise<Finding[]> {
  const gone = (await takenBoxes(data)).filter(({ isRunning }) => !isRunning);
  return gone.map(({ box, pid }) => ({
    what: "Leftovers",
    status: "warn",
    detail: `${box} was run by process ${pid}, which ended without saying so`,
    remedy: "Nothing is lost: the next start takes over and clears it away.",
  }));
}
