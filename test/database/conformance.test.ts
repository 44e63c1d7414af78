/** Both embedded database engines keep the port's promises: the one suite, on real files. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { databaseConformance } from "../../src/conformance/database.ts";
import { openMemoryDatabase } from "../../src/engines/memory/database.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";

databaseConformance(
  { describe, it },
  {
    name: "SQLite",
    features: { restart: true, sharing: true },
    async createPlace() {
      const folder = await mkdtemp(join(tmpdir(), "millrace-database-"));
      return {
        open: () => openSqliteDatabase({ file: join(folder, "worker.db") }),
        remove: () => rm(folder, { recursive: true, force: true }),
      };
    },
  },
);

const gone = "it is gone when it is closed, and nobody else can open it";
databaseConformance(
  { describe, it },
  {
    name: "memory",
    features: { restart: gone, sharing: gone },
    async createPlace() {
      return { open: () => openMemoryDatabase(), remove: async () => {} };
    },
  },
);
