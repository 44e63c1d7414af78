import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { type SqliteFailure, sqliteFailure } from "./sqlite.ts";

const messages = {
  busy: `Another process has held the database's lock for ${limits.busyTimeoutMs / 1_000} s.`,
  full: "The disk of the database is full; nothing of the transaction was kept.",
  io: "The database's file cannot be read or written.",
  damaged: "The database's file is damaged.",
} as const satisfies Record<SqliteFailure, string>;

const remedies = {
  busy: "Look for a process that has the file open, such as a database browser, and close it.",
  full: "Make room on the disk; work resumes by itself.",
  io: "Look at the disk, and at the permissions of the data folder.",
  damaged: "Stop, keep a copy of the file, and restore a backup.",
} as const satisfies Record<SqliteFailure, string>;

/**
 * The failure of the database itself in Millrace's words; undefined where the statement is at
 * fault.
 */
export function databaseFailure(cause: unknown): MillraceError | undefined {
  const kind = sqliteFailure(cause);
  if (kind === undefined) return undefined;
  const code = kind === "damaged" ? "MR_DATA_DAMAGED" : "MR_DATABASE_UNAVAILABLE";
  return new MillraceError(code, messages[kind], { cause, remedy: remedies[kind] });
}
