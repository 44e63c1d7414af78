/** Where the instances of a test have their queue and their database, and how to open them. */
import { join } from "node:path";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import type { QueueEngine } from "../../src/queue/engine.ts";

/** Files of a folder; or schemas of a PostgreSQL server, named by the folder. */
export interface Place {
  readonly folder: string;
  readonly postgres?: string;
}

const partitions = 4;

export async function openDatabase({ folder, postgres }: Place): Promise<DatabaseEngine> {
  if (postgres === undefined) {
    const { openSqliteDatabase } = await import("../../src/engines/sqlite/database.ts");
    return await openSqliteDatabase({ file: join(folder, "database.db") });
  }
  const { openPostgresDatabase } = await import("../../src/engines/postgres/database.ts");
  return await openPostgresDatabase({ url: postgres, schema: folder.slice(-30) });
}

export async function openQueue(
  { folder, postgres }: Place,
  onFatal?: (error: Error) => void,
): Promise<QueueEngine> {
  if (postgres === undefined) {
    const { openSqliteQueue } = await import("../../src/engines/sqlite/queue.ts");
    const fatal = onFatal === undefined ? {} : { onFatal };
    return await openSqliteQueue({
      folder: join(folder, "queue"),
      ...{ partitions, ballastBytes: 0, ...fatal },
    });
  }
  const { openPostgresQueue } = await import("../../src/engines/postgres/queue.ts");
  const schema = `${folder.slice(-30)} queue`;
  return await openPostgresQueue({ url: postgres, schema, partitions });
}
