import { asError, MillraceError } from "../lib/errors.ts";
import type { Migration } from "../system/database.ts";
import type { Transaction } from "./engine.ts";

/**
 * Applies what a set of migrations lacks, in the order of the names, within one transaction that
 * the engine has locked against other instances.
 *
 * Not Kysely's Migrator: it begins a transaction of its own, refuses one on SQLite (whose schema
 * changes roll back like all else), and keeps one set to a table.
 *
 * @throws MR_MIGRATION_FAILED, MR_DATA_NEWER: the transaction must then be rolled back
 */
export async function applyMigrations(
  transaction: Transaction,
  set: string,
  migrations: Readonly<Record<string, Migration>>,
  nowMs: number,
): Promise<void> {
  await transaction.run(
    `create table if not exists millrace_migrations (set_name text not null, name text not null,
      applied_at bigint not null, primary key (set_name, name))`,
  );
  const applied = await transaction.run<{ name: string }>(
    "select name from millrace_migrations where set_name = $1",
    [set],
  );
  const appliedNames = applied.map(({ name }) => name).sort();
  for (const name of pendingNames(set, Object.keys(migrations).sort(), appliedNames)) {
    await applyOne(transaction, set, name, migrations[name]);
    await transaction.run(
      "insert into millrace_migrations (set_name, name, applied_at) values ($1, $2, $3)",
      [set, name, nowMs],
    );
  }
}

function pendingNames(set: string, known: readonly string[], applied: readonly string[]) {
  const unknown = applied.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new MillraceError(
      "MR_DATA_NEWER",
      `The database has the migration "${unknown}" of ${set}, which this code does not know.`,
      { remedy: "Run the newer code, or restore the backup taken before it first ran." },
    );
  }
  const last = applied.at(-1);
  const pending = known.filter((name) => !applied.includes(name));
  const late = pending.find((name) => last !== undefined && name < last);
  if (late === undefined) return pending;
  throw new MillraceError(
    "MR_MIGRATION_FAILED",
    `The migration "${late}" of ${set} comes before "${last}", which is applied already. Nothing was changed.`,
    { remedy: "Rename it so that it sorts last: every database must take the same way." },
  );
}

async function applyOne(
  transaction: Transaction,
  set: string,
  name: string,
  migration: Migration | undefined,
): Promise<void> {
  const { stackTraceLimit } = Error;
  // The frame that people look for lies below those of Kysely and the engine.
  Error.stackTraceLimit = 50;
  try {
    await migration?.(transaction.db);
  } catch (thrown) {
    const error = asError(thrown);
    const site = failingFrame(error);
    throw new MillraceError(
      "MR_MIGRATION_FAILED",
      `The migration "${name}" of ${set} failed${site}: ${error.message}. Nothing was changed.`,
      { cause: error, remedy: "Correct the migration and start again." },
    );
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Where the migration's own code stood: the first frame outside this package and its libraries. */
function failingFrame(error: Error): string {
  const own = new URL("../", import.meta.url).href;
  const frames = (error.stack ?? "").matchAll(
    /\(?((?:file:\/\/|\/|[A-Za-z]:\\)[^()\n]*?:\d+):\d+\)?$/gm,
  );
  for (const [, frame = ""] of frames) {
    const path = frame.replace(/^file:\/\//, "");
    const isOwn = path.startsWith(own.replace(/^file:\/\//, ""));
    if (!isOwn && !path.includes("/node_modules/")) return ` at ${path}`;
  }
  return "";
}
