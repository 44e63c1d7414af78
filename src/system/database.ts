import type { Kysely } from "kysely";

/** One step of a database's schema. Runs once, in a transaction, in the order of the names. */
// biome-ignore lint/suspicious/noExplicitAny: a migration sees the schema of its own day, not today's tables.
export type Migration = (db: Kysely<any>) => Promise<void>;

export interface DatabaseOptions {
  /** Steps by name, applied in the alphabetical order of the names: "001-posts", "002-follows". */
  readonly migrations: Readonly<Record<string, Migration>>;
}

/** A worker's database: its tables (in types only) and how they come about. */
export interface DatabaseDefinition<Tables = unknown> {
  readonly kind: "database";
  readonly migrations: Readonly<Record<string, Migration>>;
  readonly "~tables"?: Tables;
}

/**
 * Defines the database of a worker. The type argument is Kysely's: one interface a table.
 *
 * @example
 * const database = defineDatabase<{ posts: { id: string; text: string } }>({
 *   migrations: {
 *     "001-posts": async (db) => {
 *       await db.schema.createTable("posts")
 *         .addColumn("id", "text", (column) => column.primaryKey())
 *         .addColumn("text", "text")
 *         .execute();
 *     },
 *   },
 * });
 */
export function defineDatabase<Tables>(options: DatabaseOptions): DatabaseDefinition<Tables> {
  return Object.freeze({ kind: "database" as const, migrations: options.migrations });
}
