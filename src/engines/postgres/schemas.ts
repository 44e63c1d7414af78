import { crc32 } from "node:zlib";
import type { Connection } from "./connection.ts";

/**
 * An identifier of PostgreSQL has at most 63 bytes; it cuts longer ones off in silence. A few are
 * left for the number of a rebuild.
 */
const identifierBytesMax = 57;

/** The schema of one worker, or of what else belongs to a system, among those of a database. */
export function schemaName(prefix: string, name: string): string {
  const schema = `${prefix}_${name}`;
  if (Buffer.byteLength(schema) <= identifierBytesMax) return schema;
  const hash = (crc32(schema) >>> 0).toString(16).padStart(8, "0");
  return `${schema.slice(0, identifierBytesMax - 9)}-${hash}`;
}

export const quoted = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`;

/** The empty table whose lock the transactions of a database take. */
export async function createTurns(connection: Connection, schema: string): Promise<void> {
  const look = "select to_regclass('millrace_turns') is null as absent";
  if ((await connection.run(look, [])).rows[0]?.absent !== 1) return;
  await connection.control(
    `begin; select pg_advisory_xact_lock(${0x4d520001}, ${crc32(schema) | 0});
     create table if not exists millrace_turns (); commit`,
  );
}

/** Makes a schema where it is not there yet; whoever comes first does it. */
export async function createSchema(connection: Connection, schema: string): Promise<void> {
  const look = "select 1 from pg_catalog.pg_namespace where nspname = $1";
  if ((await connection.run(look, [schema])).rows.length > 0) return;
  // A role that may not create schemas can be given one, which the look above has found then.
  await connection.control(
    `begin; select pg_advisory_xact_lock(${0x4d520003}, ${crc32(schema) | 0});
     create schema if not exists ${quoted(schema)}; commit`,
  );
}
