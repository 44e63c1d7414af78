/**
 * Where a campaign takes place: the embedded engines, or servers of its own that are struck as well
 * as the system's processes, and what its workers have written there.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import type { Fault } from "../../src/drill/fault.ts";
import type { Readable } from "../../src/drill/judge.ts";
import type { EngineServers } from "../../src/drill/servers/engine-servers.ts";
import { startNats } from "../../src/drill/servers/nats.ts";
import { startPostgres, startPostgresQueue } from "../../src/drill/servers/postgres.ts";
import { startRedis } from "../../src/drill/servers/redis.ts";
import type { ServerEngine } from "../../src/drill/targets.ts";
import { systemClock } from "../../src/lib/clock.ts";

const starters = {
  nats: startNats,
  postgres: startPostgres,
  "postgres-queue": startPostgresQueue,
  redis: startRedis,
} as const satisfies Record<ServerEngine, unknown>;

export interface Stage extends AsyncDisposable {
  /** The variables that make a system use these engines. */
  readonly environment: Readonly<Record<string, string>>;
  readonly faults: readonly Fault[];
  /** What a worker of the system on this data folder has in its database. */
  worker(name: string, data: string): Readable;
}

export async function setStage(engines: readonly ServerEngine[]): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "mr-campaign-"));
  const started: EngineServers[] = [];
  const end = async () => {
    for (const servers of started.toReversed()) await servers[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const engine of engines) {
      const own = join(folder, engine);
      await mkdir(own);
      const options = { folder: own, clock: systemClock, onOutput: () => {} };
      started.push(await starters[engine](options));
    }
  } catch (error) {
    await end();
    throw error;
  }
  const environment = Object.assign({}, ...started.map((servers) => servers.environment));
  const { MILLRACE_DATABASE: url } = environment as { readonly MILLRACE_DATABASE?: string };
  return {
    environment,
    faults: started.flatMap(({ faults }) => faults),
    worker: (name, data) => (url === undefined ? fileOf(name, data) : schemaOf(name, url)),
    [Symbol.asyncDispose]: end,
  };
}

const fileOf = (worker: string, data: string): Readable => ({
  async read<Row>(sql: string) {
    const file = join(data, "workers", worker, "database.db");
    using database = new DatabaseSync(file, { readOnly: true });
    return database.prepare(sql).all() as Row[];
  },
});

const schemaOf = (worker: string, url: string): Readable => ({
  async read<Row>(sql: string) {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(`set search_path to millrace_${worker}`);
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
    }
  },
});
