import { constants, rmSync, statfsSync } from "node:fs";
import { open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../../lib/errors.ts";
import { systemRandom } from "../../lib/random.ts";

/**
 * Decides whether there is room for more. Refuses below the low-water mark, and goes on only at 1.5
 * times it, so that a queue at its limit does not flicker. Free pages inside the file count as
 * free: trimmed space stays in the file, so the volume alone would refuse for ever.
 */
export class RoomGate {
  readonly #lowBytes: number;
  readonly #storedBytesMax: number;
  #full = false;

  constructor(lowBytes: number, storedBytesMax: number) {
    this.#lowBytes = lowBytes;
    this.#storedBytesMax = storedBytesMax;
  }

  get full(): boolean {
    return this.#full;
  }

  /** The disk said that it is full: nothing more until the gate sees room. */
  shut(): void {
    this.#full = true;
  }

  /** @throws MR_QUEUE_FULL, MR_QUEUE_BACKLOG */
  check(freeBytes: number, storedBytes: number, newBytes: number): void {
    const markBytes = this.#full ? this.#lowBytes * 1.5 : this.#lowBytes;
    this.#full = freeBytes - newBytes < markBytes;
    if (this.#full) throw diskFull();
    if (storedBytes + newBytes <= this.#storedBytesMax) return;
    throw new MillraceError(
      "MR_QUEUE_BACKLOG",
      `The queue holds ${storedBytes} bytes, as much as it may; a worker lags too far behind.`,
      {
        remedy: "Look at the workers' lag; it drains once they handle events.",
        retryAfterSeconds: 5,
      },
    );
  }
}

export const diskFull = (cause?: unknown) =>
  new MillraceError("MR_QUEUE_FULL", "The queue's disk has too little free space.", {
    cause,
    remedy: "Free space on the volume of the data folder; appends resume by themselves.",
    retryAfterSeconds: 5,
  });

export function volumeFreeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const ballastName = "ballast";
const chunkBytes = 1_048_576;

/** Gives the ballast's space back: a full disk cannot even delete or checkpoint without some. */
export const dropBallast = (folder: string): void =>
  rmSync(join(folder, ballastName), { force: true });

/**
 * Writes the ballast file, unless it is there or would itself make the disk full. Really written,
 * by random bytes: a sparse or compressed file would free nothing.
 */
export async function ensureBallast(
  folder: string,
  bytes: number,
  lowBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const file = join(folder, ballastName);
  if ((await stat(file).catch(() => undefined))?.size === bytes) return;
  await removeLeftovers(folder);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes + lowBytes * 1.5) return;
  // Several processes may do this at once; each has a name of its own, and the last rename stays.
  const part = `${file}.${process.pid}`;
  try {
    await writeRandom(part, bytes, signal);
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}

async function writeRandom(file: string, bytes: number, signal: AbortSignal): Promise<void> {
  const handle = await open(
    file,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
    0o600,
  );
  try {
    const chunk = systemRandom.bytes(Math.min(chunkBytes, bytes));
    for (let written = 0; written < bytes; written += chunk.length) {
      signal.throwIfAborted();
      await handle.write(chunk, 0, Math.min(chunk.length, bytes - written));
      // Bit by bit: one sync of all of it would hold up those of the events.
      await handle.datasync();
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Half-written ballasts of processes that are gone. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid] = /^ballast\.(\d+)$/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
