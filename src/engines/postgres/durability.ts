import type { Durability } from "../../queue/engine.ts";
import type { Connection } from "./connection.ts";

/** How durable a commit is by the server's settings, `synchronous_commit` being on. */
export async function durabilityOf(connection: Connection): Promise<Durability> {
  const { rows } = await connection.run(
    `select current_setting('fsync') as fsync,
       current_setting('synchronous_standby_names') as standbys`,
    [],
  );
  const [{ fsync, standbys } = {}] = rows;
  if (fsync !== "on") return "memory";
  const waitedFor = standbysWaitedFor(String(standbys ?? ""));
  return waitedFor === 0 ? "disk" : `replicated(${waitedFor + 1})`;
}

/** `FIRST 2 (a, b, c)`, `ANY 1 (*)`, `2 (a, b)`; a bare list waits for the first one. */
export function standbysWaitedFor(names: string): number {
  if (names.trim() === "") return 0;
  const [, count] = /^\s*(?:first|any)?\s*(\d+)\s*\(/i.exec(names) ?? [];
  return count === undefined ? 1 : Number(count);
}
