import { randomUUID } from "node:crypto";
import type { DatabaseEngine } from "../../database/engine.ts";
import type { Clock } from "../../lib/clock.ts";
// The one engine that is another engine's: SQLite in memory is SQLite, down to each statement.
import { openSharedMemoryDatabase } from "../sqlite/database.ts";

/** Opens a new, empty database in memory. It is gone when it is closed: for tests and trials. */
export const openMemoryDatabase = (options: { clock?: Clock } = {}): Promise<DatabaseEngine> =>
  openSharedMemoryDatabase(`millrace-${randomUUID()}`, options.clock);
