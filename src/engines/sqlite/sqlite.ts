import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { syncFolder } from "./sync-folder.ts";

/**
 * The one place that names `node:sqlite`, and the settings under which a committed transaction
 * survives power loss. Every embedded engine opens its files here.
 */
const { DatabaseSync: Database } = loadSqlite();

export type { DatabaseSync, StatementSync };

/**
 * Older ones can corrupt a file that two connections write or checkpoint at once (WAL-reset bug).
 */
const oldestSafeVersion = [3, 51, 3] as const;

export interface SqliteOptions {
  /** FULL (the default) syncs at each commit. NORMAL is for what may be lost, such as spans. */
  readonly synchronous?: "FULL" | "NORMAL";
  /** A connection that cannot write. The file must exist, and be closed before its writer is. */
  readonly readOnly?: boolean;
}

/**
 * Opens a database file (or one in memory: `:memory:`, `file:name?mode=memory`), creating it and
 * its folder where absent, readable by the owner only. Blocks while another process opens it, at
 * most `limits.busyTimeoutMs`. Afterwards the connection never waits by itself: a taken lock fails
 * at once (see `whenFree`).
 *
 * What an earlier process wrote but may not have synced is on the disk when this returns.
 *
 * @throws MR_SQLITE_VERSION where this Node's SQLite can damage data
 * @throws SQLite's own errors; `sqliteFailure` tells their kind
 */
export function openSqlite(file: string, options: SqliteOptions = {}): DatabaseSync {
  checkVersion(process.versions.sqlite);
  const inMemory = /^:memory:$|^file:.*[?&]mode=memory/.test(file);
  const isNew = !inMemory && !existsSync(file);
  const newFolder = inMemory ? undefined : createFolder(dirname(resolve(file)));
  const db = new Database(file, {
    readOnly: options.readOnly ?? false,
    timeout: limits.busyTimeoutMs,
  });
  try {
    if (!inMemory) restrictToOwner(file);
    whenOpened(() => {
      configure(db, { ...options, inMemory });
      if (!options.readOnly) checkpoint(db);
    });
    if (isNew) syncFolder(dirname(resolve(file)));
    if (newFolder !== undefined) syncFolder(dirname(newFolder));
    setPragma(db, "busy_timeout", 0);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

function checkVersion(version: string | undefined): void {
  const parts = (version ?? "0").split(".").map(Number);
  const differing = oldestSafeVersion.findIndex((part, at) => part !== parts[at]);
  if (differing < 0 || (parts[differing] ?? 0) > (oldestSafeVersion[differing] ?? 0)) return;
  throw new MillraceError(
    "MR_SQLITE_VERSION",
    `Node ${process.versions.node} carries SQLite ${version}, which can damage a file that two processes write.`,
    { remedy: "Use Node 22.23 or later, 24.15 or later, or 26." },
  );
}

/** @returns the topmost folder that did not exist before. */
const createFolder = (folder: string): string | undefined =>
  mkdirSync(folder, { recursive: true, mode: 0o700 });

/**
 * SQLite gives the WAL and the shared memory the mode of the database file, so this comes first.
 */
function restrictToOwner(file: string): void {
  if (process.platform === "win32") return;
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
}

function configure(db: DatabaseSync, options: SqliteOptions & { inMemory: boolean }): void {
  if (!options.inMemory) {
    // A mapped file turns an I/O error into a signal that kills the process.
    setPragma(db, "mmap_size", 0);
    if (options.readOnly) setPragma(db, "query_only", 1);
    else setPragma(db, "journal_mode", "wal");
    expectPragma(db, "journal_mode", "wal");
  }
  setPragma(db, "synchronous", options.synchronous === "NORMAL" ? 1 : 2);
  if (process.platform === "darwin") {
    // A plain fsync there leaves the data in the drive's cache.
    setPragma(db, "fullfsync", 1);
    setPragma(db, "checkpoint_fullfsync", 1);
  }
  // After a checkpoint the WAL is cut to this, so that one large transaction does not stay for
  // ever.
  setPragma(db, "journal_size_limit", limits.walBytesMax);
  setPragma(db, "wal_autocheckpoint", limits.checkpointPages);
  setPragma(db, "trusted_schema", 0);
}

/**
 * Two that turn a new file into WAL at once have both read it before either writes. SQLite's own
 * busy handler would wait for ever there, so it refuses one of them at once.
 */
function whenOpened(prepare: () => void): void {
  const deadline = systemClock.monotonic() + limits.busyTimeoutMs;
  for (;;) {
    try {
      prepare();
      return;
    } catch (error) {
      if (sqliteFailure(error) !== "busy" || systemClock.monotonic() >= deadline) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, limits.busyRetryMs);
  }
}

/** Sets and reads back: SQLite ignores what it does not know or cannot do. */
function setPragma(db: DatabaseSync, name: string, value: string | number): void {
  db.exec(`pragma ${name} = ${value}`);
  expectPragma(db, name, value);
}

function expectPragma(db: DatabaseSync, name: string, value: string | number): void {
  const found = Object.values(db.prepare(`pragma ${name}`).get() ?? {})[0];
  // In memory there is no file to map, sync or limit: SQLite answers with nothing.
  if (found === undefined || found === value) return;
  throw new MillraceError(
    "MR_DATA_UNUSABLE",
    `SQLite does not accept ${name} = ${value} for ${db.location() ?? "memory"}: it says ${found}.`,
    { remedy: "Put the data folder on a local file system of this machine." },
  );
}

/**
 * After a crash between write and sync, the page cache shows commits that a power cut would take
 * back. Writing the WAL into the file, synced, makes them durable before anything is built on them.
 * Busy means that another process has the file open and serves it: then its own syncs count.
 */
function checkpoint(db: DatabaseSync): void {
  setPragma(db, "busy_timeout", limits.openCheckpointMs);
  db.prepare("pragma wal_checkpoint(truncate)").get();
}

/** What went wrong with the file, told apart from a mistake in a statement. */
export type SqliteFailure = "busy" | "full" | "io" | "damaged";

/**
 * Undefined where the error is not SQLite's, or is about the statement (a constraint, the syntax).
 */
export function sqliteFailure(error: unknown): SqliteFailure | undefined {
  const resultCode = sqliteCode(error);
  if (resultCode === undefined) return undefined;
  switch (resultCode & 0xff) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return "busy";
    case 13: // SQLITE_FULL
      return "full";
    case 8: // SQLITE_READONLY: the file, its folder or its volume lost its write permission
    case 10: // SQLITE_IOERR
    case 14: // SQLITE_CANTOPEN
      return "io";
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return "damaged";
    default:
      return undefined;
  }
}

/** SQLite's extended result code (1034: fsync failed), where the error is one of SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? errcode : undefined;
}

/**
 * Tries `attempt` until no other connection holds the lock it needs. Between tries the event loop
 * runs: SQLite's own busy handler would block it, for up to 100 ms a step.
 *
 * @throws the last busy error once `timeoutMs` have passed; any other error at once
 */
export async function whenFree<Result>(
  clock: Clock,
  attempt: () => Result,
  timeoutMs: number = limits.busyTimeoutMs,
): Promise<Result> {
  const deadline = clock.monotonic() + timeoutMs;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (sqliteFailure(error) !== "busy" || clock.monotonic() >= deadline) throw error;
    }
    await clock.sleep(limits.busyRetryMs);
  }
}

/**
 * Begins a transaction that holds the write lock from the start, so that nothing in it, and not its
 * commit, can meet another writer.
 *
 * @throws a busy error as `whenFree` does
 */
export const beginImmediate = (db: DatabaseSync, clock: Clock, timeoutMs?: number): Promise<void> =>
  whenFree(clock, () => db.exec("begin immediate"), timeoutMs);

/**
 * Node 22 warns that SQLite is experimental, once, when the module is loaded. Only this warning is
 * held back, and only during the load.
 */
function loadSqlite(): typeof import("node:sqlite") {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!/^SQLite is an experimental feature/.test(String(warning))) {
      emitWarning.call(process, warning, ...rest);
    }
  }) as typeof process.emitWarning;
  try {
    return process.getBuiltinModule("node:sqlite");
  } finally {
    process.emitWarning = emitWarning;
  }
}
