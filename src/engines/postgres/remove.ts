import type { Clock } from "../../lib/clock.ts";
import { Connection } from "./connection.ts";
import { quoted } from "./schemas.ts";
import { parseAddress } from "./server.ts";

/** Removes every schema of the system that an address names, its queue's included. */
export async function removeSchemas(address: string, clock: Clock): Promise<void> {
  const { url, prefix } = parseAddress(address);
  const session = { url, schema: prefix, name: "millrace", isReadOnly: false, clock };
  const connection = await Connection.open(session);
  try {
    const { rows } = await connection.run(
      `select nspname from pg_catalog.pg_namespace
       where nspname = $1 or left(nspname, length($1) + 1) in ($1 || '_', $1 || '~')`,
      [prefix],
    );
    for (const { nspname } of rows) {
      await connection.run(`drop schema if exists ${quoted(String(nspname))} cascade`, []);
    }
  } finally {
    await connection.end();
  }
}
