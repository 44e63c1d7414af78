import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../lib/errors.ts";
import { type DataFolder, knownWorkers, syncFolder } from "./data-folder.ts";
import type { DatabasePlaces } from "./database-places.ts";

/** The places of databases in files. */
export const filePlaces = (data: DataFolder): DatabasePlaces => ({
  inUse: (worker) => databaseFile(data, worker),
  another: (worker) => newDatabaseFile(data, worker),
  use: (worker, file) => useDatabaseFile(data, worker, file),
  remove: removeDatabase,
  workers: () => knownWorkers(data),
});

/**
 * A worker's database is one of several files at the most: the one in use, which a small file
 * names, one that is being rebuilt, and former ones. None is ever renamed, since processes that
 * have it open find its companions by its name.
 */
const pointer = "current";
const first = "database.db";
const filePattern = /^database(?:-(\d+))?\.db$/;

/** The file of a worker's database, which need not exist. */
export async function databaseFile(data: DataFolder, worker: string): Promise<string> {
  const folder = data.worker(worker);
  const text = await readFile(join(folder, pointer), "utf8").catch((error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return first;
    throw error;
  });
  const name = text.trim();
  if (filePattern.test(name)) return join(folder, name);
  throw new MillraceError("MR_DATA_DAMAGED", `${join(folder, pointer)} names no database.`, {
    remedy: `Write the name of the database in use into it, such as ${first}.`,
  });
}

/**
 * A file for a new database, which is not in use. Removed are what an attempt that was broken off
 * has left, and former databases but for the one in use, which is the next former one.
 */
export async function newDatabaseFile(data: DataFolder, worker: string): Promise<string> {
  const folder = data.worker(worker);
  await mkdir(folder, { recursive: true });
  const current = await databaseFile(data, worker);
  const numbers = (await readdir(folder)).flatMap((name) => {
    const found = filePattern.exec(name);
    return found === null ? [] : [Number(found[1] ?? 1)];
  });
  const inUse = Number(filePattern.exec(current.slice(folder.length + 1))?.[1] ?? 1);
  for (const number of numbers.filter((number) => number !== inUse)) {
    await removeDatabase(join(folder, number === 1 ? first : `database-${number}.db`));
  }
  return join(folder, `database-${inUse + 1}.db`);
}

/** Removes a database that nobody has open. */
export async function removeDatabase(file: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
}

/** Makes a file the worker's database, at once or not at all, and for good. */
export async function useDatabaseFile(
  data: DataFolder,
  worker: string,
  file: string,
): Promise<void> {
  const folder = data.worker(worker);
  const aside = join(folder, `${pointer}.${randomUUID()}`);
  const written = await open(aside, "wx", 0o600);
  try {
    await written.writeFile(`${file.slice(folder.length + 1)}\n`);
    await written.sync();
  } finally {
    await written.close();
  }
  await rename(aside, join(folder, pointer));
  await syncFolder(folder);
}
