import { existsSync } from "node:fs";
import pg from "pg";
import { oneEvent } from "../load/request.ts";
import { startMillrace } from "../systems/millrace.ts";
import { startNats } from "../systems/nats.ts";
import { startPostgres, startRedis } from "../systems/servers.ts";
import { type Context, type Figures, type Scenario, Skipped } from "./scenario.ts";
import { balancerAnd, throughputOf } from "./throughput.ts";

/** So many gateways, and so many instances of each worker, behind the load balancer. */
const scaled = (count: number): Scenario => ({
  id: `7-${count}`,
  title: `the whole picture with ${count} gateways and ${count} instances of each worker`,
  fullOnly: true,
  once: true,
  run: async (context) => {
    const size = { gateways: count, instances: count };
    await using system = await startMillrace({ app: "light", through: "balancer", ...size });
    return await throughputOf(system, oneEvent, context, { sharedBy: balancerAnd(count) });
  },
});

const engines = ["nats", "postgres", "redis"];

/** The same application on three JetStream servers that sync, PostgreSQL and Redis. */
async function replicated(context: Context): Promise<Figures> {
  const missing = engines.filter(
    (name) => !existsSync(new URL(`../../src/engines/${name}/`, import.meta.url)),
  );
  if (missing.length > 0) throw new Skipped(`no engine of ${missing.join(", ")} in this version`);
  await using nats = await startNats(3);
  await using postgres = await startPostgres();
  await using redis = await startRedis("everysec");
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  pool.on("error", () => {});
  try {
    await using system = await startMillrace({
      app: "light",
      gateways: 1,
      through: "gateway",
      servers: [...nats.programs, postgres.program, redis.program],
      effects: () => Promise.all(["a", "b"].map((worker) => countIn(pool, worker))),
      environment: {
        MILLRACE_QUEUE: nats.url,
        MILLRACE_DATABASE: postgres.url,
        MILLRACE_CACHE: redis.url,
      },
    });
    return await throughputOf(system, oneEvent, context);
  } finally {
    await pool.end();
  }
}

/** Each worker has a schema of its own, whose name ends with the worker's. */
async function countIn(pool: pg.Pool, worker: string): Promise<number> {
  const { rows } = await pool.query(
    `select table_schema as name from information_schema.tables
     where table_name = 'effects' and table_schema ~ $1`,
    [`(^|[^a-z])${worker}$`],
  );
  if (rows.length !== 1) throw new Error(`There is no schema of worker ${worker}.`);
  const counted = await pool.query(`select count(*) as count from "${rows[0].name}".effects`);
  return Number(counted.rows[0]?.count);
}

export const scaleScenarios: readonly Scenario[] = [
  scaled(1),
  scaled(2),
  scaled(4),
  {
    id: "7r",
    title: "three JetStream servers that sync, PostgreSQL, Redis, straight to one gateway",
    fullOnly: true,
    run: replicated,
  },
];
