import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, readdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../lib/errors.ts";
import type { DataFolder } from "./data-folder.ts";

/** Who holds a lock: a process, told from a later one of the same number by when it began. */
interface Holder {
  readonly pid: number;
  readonly began: string;
  /** Unlike for every lock ever taken. */
  readonly nonce: string;
}

/**
 * Takes the right to run these boxes on this data folder: `balancer`, `gateway`,
 * `worker-timelines`. Two supervisors can share a folder as long as they run different boxes. A
 * lock whose process is gone (kill -9, power cut) is no obstacle.
 *
 * @throws MR_DATA_UNUSABLE naming the process that holds it
 */
export async function lockBoxes(
  data: DataFolder,
  boxes: readonly string[],
): Promise<AsyncDisposable> {
  const taken: (() => Promise<void>)[] = [];
  const release = async () => {
    for (const unlock of taken.splice(0)) await unlock();
  };
  try {
    for (const box of boxes) taken.push(await lock(join(data.run, `${box}.lock`), box, data.path));
  } catch (error) {
    await release();
    throw error;
  }
  return { [Symbol.asyncDispose]: release };
}

/** A box that a process of this machine has taken, or had when it was killed. */
export interface TakenBox {
  readonly box: string;
  readonly pid: number;
  readonly isRunning: boolean;
}

/** Who runs what on a data folder. Touches nothing. */
export async function takenBoxes(data: DataFolder): Promise<readonly TakenBox[]> {
  const names = await readdir(data.run).catch((): string[] => []);
  const taken: TakenBox[] = [];
  for (const name of names.filter((name) => name.endsWith(".lock"))) {
    const holder = await readHolder(join(data.run, name));
    if (holder === undefined) continue;
    taken.push({
      box: name.slice(0, -".lock".length),
      pid: holder.pid,
      isRunning: isAlive(holder),
    });
  }
  return taken;
}

async function lock(file: string, box: string, folder: string): Promise<() => Promise<void>> {
  const own: Holder = {
    pid: process.pid,
    began: processBegan(process.pid) ?? "",
    nonce: randomUUID(),
  };
  while (!(await createLock(file, own))) {
    const holder = await readHolder(file);
    if (holder === undefined) continue;
    if (isAlive(holder)) throw heldBy(holder, box, folder);
    await removeStale(file, holder);
  }
  return async () => {
    const holder = await readHolder(file);
    if (holder?.nonce === own.nonce) await unlink(file);
  };
}

/**
 * False where the file exists. It is linked into place, so that nobody ever reads half a holder.
 */
async function createLock(file: string, own: Holder): Promise<boolean> {
  const aside = `${file}.${own.nonce}`;
  await writeFile(aside, JSON.stringify(own), { mode: 0o600 });
  try {
    await link(aside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(aside);
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    // Torn by a power cut: its process is gone with the power.
    if (error instanceof SyntaxError) return { pid: 0, began: "", nonce: "torn" };
    throw error;
  }
}

/**
 * Two starters may find the same stale lock. Each moves it away and looks at what it has moved: the
 * later one may hold the lock that the earlier one has just made, and puts it back.
 */
async function removeStale(file: string, stale: Holder): Promise<void> {
  const moved = `${file}.${stale.nonce}.stale`;
  try {
    await rename(file, moved);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const found = await readHolder(moved);
  if (found !== undefined && found.nonce !== stale.nonce) await link(moved, file).catch(() => {});
  await unlink(moved).catch(() => {});
}

const isAlive = ({ pid, began }: Holder): boolean => {
  const now = processBegan(pid);
  return now !== undefined && now === began;
};

/**
 * When a process began, as text that is only compared; undefined where it is gone. Linux tells
 * clock ticks since boot, beside the boot's id; other systems are asked through `ps`.
 */
function processBegan(pid: number): string | undefined {
  if (pid <= 0) return undefined;
  try {
    if (process.platform === "linux") {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "";
      const [state = "", began] = [afterName[0], afterName.split(" ")[19]];
      // A zombie has ended; only nobody has asked for its exit status yet.
      return "ZX".includes(state) ? undefined : `${boot} ${began}`;
    }
    process.kill(pid, 0);
    if (process.platform === "win32") return "running";
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch (error) {
    // EPERM: it runs, as another user.
    return (error as NodeJS.ErrnoException).code === "EPERM" ? "running" : undefined;
  }
}

const heldBy = ({ pid }: Holder, box: string, folder: string): MillraceError =>
  new MillraceError(
    "MR_DATA_UNUSABLE",
    `The ${box} of the data folder ${folder} is run by another process already (pid ${pid}).`,
    { remedy: "Stop that process, or set MILLRACE_DATA to another folder.", extra: { pid } },
  );
