import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { MillraceError } from "../../lib/errors.ts";
import { type DatabaseSync, openSqlite, sqliteFailure } from "./sqlite.ts";

/** "MRLQ" in the file's header: a Millrace queue. */
const applicationId = 0x4d524c51;
/** Raised with each change that an older version cannot read; the older version then refuses. */
const formatVersion = 1;

/**
 * One file holds everything.
 *
 * A position is a number over all partitions, so that the events stand in the file in the order of
 * acceptance: they are written at its end and read by one scan. `queue.position` is the newest one,
 * `partitions."end"` and `.trimmed` are the newest one of a partition and the newest that was
 * trimmed; none of them is ever computed from the events that happen to be there.
 *
 * `ids` outlives the events, for as long as a repeated id must be recognised.
 */
const schema = `
create table queue (
  one integer primary key check (one = 1),
  identity text not null,
  partitions integer not null,
  created_at integer not null,
  accepted_at integer not null,
  position integer not null,
  events integer not null
) strict;
create table partitions (
  partition integer primary key,
  "end" integer not null,
  trimmed integer not null
) strict;
create table events (
  position integer primary key,
  partition integer not null,
  type text not null,
  source text not null,
  id text not null,
  key text not null,
  time text not null,
  accepted_at integer not null,
  crc integer not null,
  attributes text,
  data text not null
) strict;
create table ids (
  id text not null,
  source text not null,
  position integer not null,
  partition integer not null,
  accepted_at integer not null,
  fingerprint text,
  primary key (id, source)
) strict, without rowid;
`;

export const queueFileOf = (folder: string): string => join(folder, "queue.db");

/**
 * Opens the file for writing, once it is known to be a queue that this version understands, or
 * none.
 *
 * @throws MR_DATA_NEWER, MR_DATA_DAMAGED: the file was not changed
 * @throws MR_DATA_UNUSABLE, MR_SQLITE_VERSION, MR_QUEUE_UNAVAILABLE (locked for too long)
 */
export function openQueueFile(folder: string): DatabaseSync {
  const file = queueFileOf(folder);
  try {
    inspectFile(file);
    return openSqlite(file);
  } catch (error) {
    throw openingFault(folder, error);
  }
}

/** An error of the file system or of SQLite while opening, in words for people. */
export function openingFault(folder: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const file = queueFileOf(folder);
  const failure = sqliteFailure(error);
  if (failure === "damaged") return damaged(file, "SQLite cannot read it", error);
  if (failure === "busy") {
    const message = `${file} stayed locked by another process.`;
    return new MillraceError("MR_QUEUE_UNAVAILABLE", message, { cause: error });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new MillraceError("MR_DATA_UNUSABLE", `${file} cannot be opened: ${why}.`, {
    cause: error,
    remedy: "The data folder must be on a local disk with free space, writable by this user.",
  });
}

/** The size of SQLite's first page, which alone holds no table. */
const firstPageBytes = 4_096;

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** Looks at the file without changing it. */
function inspectFile(file: string): void {
  // A queue whose creation was cut off, or no database at all: then opening changes nothing either.
  if (sizeOf(file) <= firstPageBytes) return;
  const db = openSqlite(file, { readOnly: true });
  try {
    inspect(db, file);
  } catch (error) {
    // The header was readable: statements that fail now miss tables or pages.
    const failure = sqliteFailure(error);
    if (error instanceof MillraceError || failure === "busy" || failure === "io") throw error;
    throw damaged(file, "its tables cannot be read", error);
  } finally {
    db.close();
  }
}

function inspect(db: DatabaseSync, file: string): void {
  const application = number(db, "pragma application_id");
  const format = number(db, "pragma user_version");
  const tables = number(db, "select count(*) from sqlite_schema");
  // Creation is one transaction: a file without tables is one whose creation was cut off.
  if (application === 0 && tables === 0) return;
  if (application !== applicationId) throw damaged(file, "it is not a queue of Millrace");
  if (format > formatVersion) {
    throw new MillraceError(
      "MR_DATA_NEWER",
      `${file} has format ${format}; this version of Millrace knows formats up to ${formatVersion}.`,
      { remedy: "Run the version that wrote it, or a later one. Nothing was changed." },
    );
  }
  // In this order, since another process may write its WAL into the file meanwhile: what was
  // needed is in the file by the time that the WAL is empty.
  const neededBytes = number(db, "pragma page_count") * number(db, "pragma page_size");
  const walBytes = sizeOf(`${file}-wal`);
  const bytes = sizeOf(file);
  if (walBytes === 0 && bytes < neededBytes) {
    throw damaged(file, `it has ${bytes} bytes of ${neededBytes}`);
  }
  const rows = number(db, "select count(*) from queue");
  const partitions = number(db, "select count(*) - (select partitions from queue) from partitions");
  if (rows !== 1 || partitions !== 0) throw damaged(file, "its head is not complete");
}

/** The first column of the first row. */
function number(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}

const damaged = (file: string, why: string, cause?: unknown) =>
  new MillraceError("MR_DATA_DAMAGED", `${file} is damaged: ${why}.`, {
    cause,
    remedy: "Nothing was changed. Restore the file from a backup, or move it away to start anew.",
  });

/**
 * Makes the tables of a new queue, inside the caller's transaction; nothing where they are there.
 */
export function createQueueTables(db: DatabaseSync, partitions: number, nowMs: number): void {
  if (number(db, "select count(*) from sqlite_schema") > 0) return;
  db.exec(schema);
  db.prepare("insert into queue values (1, ?, ?, ?, ?, 0, 0)").run(
    randomBytes(16).toString("hex"),
    partitions,
    nowMs,
    nowMs,
  );
  const insert = db.prepare("insert into partitions values (?, 0, 0)");
  for (let partition = 0; partition < partitions; partition++) insert.run(partition);
  db.exec(`pragma application_id = ${applicationId}`);
  db.exec(`pragma user_version = ${formatVersion}`);
}
