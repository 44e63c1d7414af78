import pg from "pg";
import { oneEvent } from "../load/request.ts";
import { startNats } from "../systems/nats.ts";
import { startPeer } from "../systems/peer.ts";
import { installPeerPackages } from "../systems/peer-packages.ts";
import { startPostgres, startRedis } from "../systems/servers.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";
import { throughputOf } from "./throughput.ts";

const bullmq = (id: string, sync: "everysec" | "always", handlers: "light" | "real"): Scenario => ({
  id,
  title: `Fastify + BullMQ + Redis (appendfsync ${sync}), ${handlers} handlers`,
  fullOnly: true,
  run: async (context) => {
    installPeerPackages();
    await using redis = await startRedis(sync);
    await using system = await startPeer({
      name: "BullMQ",
      front: "bullmq-front.ts",
      worker: "bullmq-worker.ts",
      servers: [redis.program],
      environment: { BENCH_SERVER: redis.url, BENCH_HANDLERS: handlers },
      followUps: handlers === "real",
    });
    return await throughputOf(system, oneEvent, context);
  },
});

/** Counts the effects of peers that have them in PostgreSQL. */
function countsIn(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  // Connections that lie idle are cut when the server stops.
  pool.on("error", () => {});
  const count = async (worker: string) => {
    const { rows } = await pool.query(`select count(*) as count from effects_${worker}`);
    return Number(rows[0]?.count);
  };
  return {
    effects: () => Promise.all([count("a"), count("b")]),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

async function onPostgres(context: Context, name: string, files: string): Promise<Figures> {
  installPeerPackages();
  await using postgres = await startPostgres();
  await using counts = countsIn(postgres.url);
  await using system = await startPeer({
    name,
    front: `${files}-front.ts`,
    worker: `${files}-worker.ts`,
    servers: [postgres.program],
    environment: { BENCH_SERVER: postgres.url },
    effects: counts.effects,
  });
  return await throughputOf(system, oneEvent, context);
}

const jetstream: Scenario = {
  id: "jetstream",
  title: "Fastify + JetStream (three servers that sync, an acknowledgement an event) + PostgreSQL",
  fullOnly: true,
  run: async (context) => {
    await using nats = await startNats(3);
    await using postgres = await startPostgres();
    await using counts = countsIn(postgres.url);
    await using system = await startPeer({
      name: "JetStream",
      front: "jetstream-front.ts",
      worker: "jetstream-worker.ts",
      servers: [...nats.programs, postgres.program],
      environment: {
        BENCH_SERVER: nats.servers,
        BENCH_REPLICAS: "3",
        BENCH_DATABASE: postgres.url,
      },
      effects: counts.effects,
    });
    return await throughputOf(system, oneEvent, context);
  },
};

/** What people use today: each set up as its own documentation recommends for throughput. */
export const peerScenarios: readonly Scenario[] = [
  { ...bullmq("bullmq", "everysec", "light"), fullOnly: false },
  bullmq("bullmq-real", "everysec", "real"),
  { ...bullmq("bullmq-always", "always", "light"), once: true },
  {
    id: "pg-boss",
    title: "Fastify + pg-boss + PostgreSQL (each commit synced), light handlers there",
    fullOnly: true,
    once: true,
    run: (context) => onPostgres(context, "pg-boss", "pg-boss"),
  },
  {
    id: "graphile",
    title: "Fastify + graphile-worker + PostgreSQL (each commit synced), light handlers there",
    fullOnly: true,
    once: true,
    run: (context) => onPostgres(context, "graphile-worker", "graphile"),
  },
  jetstream,
];
