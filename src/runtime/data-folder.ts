import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { version } from "../lib/version.ts";
import type { Config } from "./config.ts";

/**
 * The format that this version writes. It grows when an older version could not read the folder.
 */
export const dataFormat = 1;

/** Where everything of one system lies on this machine. All paths are absolute. */
export interface DataFolder {
  readonly path: string;
  readonly queue: string;
  readonly traces: string;
  readonly keys: string;
  /** Sockets and locks of running processes; nothing in it outlives them. */
  readonly run: string;
  /** The folder of a worker's database. */
  worker(worker: string): string;
  /** The socket of a box: `gateway-1`, `worker-timelines-1`. */
  socket(box: string): string;
}

/** The paths of a data folder, which need not exist. Touches nothing. */
export function dataFolderAt(folder: string): DataFolder {
  const path = resolve(folder);
  const run = join(path, "run");
  const sockets = socketFolder(run);
  return {
    path,
    run,
    queue: join(path, "queue"),
    traces: join(path, "traces.db"),
    keys: join(path, "keys.json"),
    worker: (worker) => join(path, "workers", worker),
    socket: (box) => join(sockets, `${shortName(box)}.sock`),
  };
}

/** The file of the API keys: where the configuration says, else the folder's own. */
export const keysFile = (config: Pick<Config, "keysFile">, data: DataFolder): string =>
  config.keysFile === "" ? data.keys : resolve(config.keysFile);

/** Box names hold a worker's name of up to 100 letters; a socket's path has no room for that. */
function shortName(box: string): string {
  if (Buffer.byteLength(box) + "/.sock".length <= limits.socketNameBytesMax) return box;
  return `${box.slice(0, 16)}-${createHash("sha256").update(box).digest("hex").slice(0, 16)}`;
}

/**
 * The kernel allows only 108 bytes (104 on macOS) for a socket's path. A data folder that lies too
 * deep gets a short folder for its sockets among the temporary files, found by the hash of its
 * path.
 */
function socketFolder(run: string): string {
  if (Buffer.byteLength(run) + limits.socketNameBytesMax <= limits.socketPathBytesMax) return run;
  const hash = createHash("sha256").update(run).digest("hex").slice(0, 16);
  return join(tmpdir(), `millrace-${process.getuid?.() ?? 0}-${hash}`);
}

/**
 * Opens the data folder, or makes a new one. Whatever it refuses, it leaves byte for byte as it
 * was.
 *
 * @throws MR_DATA_NEWER, MR_DATA_DAMAGED, MR_DATA_UNUSABLE
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const data = dataFolderAt(folder);
  try {
    if (!(await isKnown(data.path))) await create(data.path);
    await mkdir(data.run, { recursive: true, mode: 0o700 });
    await openSocketFolder(data);
    await proveWritable(data.run);
  } catch (error) {
    throw error instanceof MillraceError ? error : unusable(data.path, error);
  }
  return data;
}

/**
 * A data folder that is there already, for commands that only look. Makes nothing.
 *
 * @throws MR_DATA_NEWER, MR_DATA_DAMAGED, MR_DATA_UNUSABLE
 */
export async function existingDataFolder(folder: string): Promise<DataFolder> {
  const data = dataFolderAt(folder);
  const isThere = await isKnown(data.path).catch((error) => {
    throw error instanceof MillraceError ? error : unusable(data.path, error);
  });
  if (isThere) return data;
  throw new MillraceError("MR_DATA_UNUSABLE", `There is no data folder at ${data.path}.`, {
    remedy: "Start the system there first, or say where its data are with --data.",
  });
}

/** The workers that have a database there, by name. */
export async function knownWorkers(data: DataFolder): Promise<string[]> {
  const names = await readdir(resolve(data.worker("any"), "..")).catch((): string[] => []);
  const known: string[] = [];
  for (const name of names.toSorted()) {
    const files = await readdir(data.worker(name)).catch((): string[] => []);
    if (files.some((file) => file.endsWith(".db"))) known.push(name);
  }
  return known;
}

/** Whether the folder exists and is ours. False: there is nothing that could be harmed. */
async function isKnown(path: string): Promise<boolean> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (names.includes(formatFile)) {
    checkFormat(path, await readFile(join(path, formatFile), "utf8"));
    return true;
  }
  // A first start that was cut off may have left these; nothing was stored yet.
  const found = names.filter((name) => !name.startsWith(`${formatFile}.`) && name !== "run");
  if (found.length === 0) return false;
  if (found.includes("queue") || found.includes("workers")) {
    throw damaged(path, `its ${formatFile} is missing`);
  }
  throw new MillraceError(
    "MR_DATA_UNUSABLE",
    `${path} holds other files (${found.slice(0, 3).join(", ")}), so it is not a data folder.`,
    { remedy: "Set MILLRACE_DATA to a folder that is empty or does not exist yet." },
  );
}

const formatFile = "millrace.json";

function checkFormat(path: string, text: string): void {
  const { format, createdBy } = parseFormat(path, text);
  if (!Number.isSafeInteger(format) || Number(format) < 1) {
    throw damaged(path, `its ${formatFile} tells no format`);
  }
  if (Number(format) > dataFormat) {
    throw new MillraceError(
      "MR_DATA_NEWER",
      `${path} was written in format ${format} by ${createdBy}; this version knows ${dataFormat}.`,
      { remedy: "Use that version or a later one. The folder was left as it is." },
    );
  }
}

function parseFormat(path: string, text: string): { format?: unknown; createdBy?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below, as for any other content that is no object.
  }
  throw damaged(path, `its ${formatFile} cannot be read`);
}

/**
 * The format is told by a file that is either not there or whole: written aside, synced, renamed.
 */
async function create(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const aside = join(path, `${formatFile}.${randomUUID()}`);
  const file = await open(aside, "wx", 0o600);
  try {
    const content = { format: dataFormat, createdBy: `millrace ${version}` };
    await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, join(path, formatFile));
  await syncFolder(path);
  await syncFolder(resolve(path, ".."));
}

/** E12: a new name is durable once its folder is synced. Windows cannot, and need not. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function openSocketFolder(data: DataFolder): Promise<void> {
  const folder = resolve(data.socket("any"), "..");
  if (folder === data.run) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Among the temporary files of all users somebody else could have made it first.
  const { uid } = await stat(folder);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new MillraceError("MR_DATA_UNUSABLE", `${folder} belongs to another user.`, {
      remedy: "Set MILLRACE_DATA to a folder with a shorter path.",
    });
  }
  await chmod(folder, 0o700);
}

async function proveWritable(folder: string): Promise<void> {
  const probe = join(folder, `probe-${randomUUID()}`);
  const file = await open(probe, "wx", 0o600);
  try {
    await file.writeFile("millrace");
    await file.sync();
  } finally {
    await file.close();
    await unlink(probe);
  }
}

const damaged = (path: string, why: string): MillraceError =>
  new MillraceError("MR_DATA_DAMAGED", `The data folder ${path} is damaged: ${why}.`, {
    remedy:
      "Restore it from a backup, or set MILLRACE_DATA to another folder. It was left as it is.",
  });

function unusable(path: string, cause: unknown): MillraceError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    EACCES: "this user may not write there",
    EPERM: "this user may not write there",
    EROFS: "its file system is read-only",
    ENOSPC: "its disk is full",
    EDQUOT: "this user's quota is used up",
    ENOTDIR: "a part of its path is a file",
    EEXIST: "a part of its path is a file",
  };
  const why = reasons[code ?? ""] ?? message;
  return new MillraceError("MR_DATA_UNUSABLE", `The data folder ${path} cannot be used: ${why}.`, {
    cause,
    remedy: "Mend that, or set MILLRACE_DATA to another folder.",
  });
}
