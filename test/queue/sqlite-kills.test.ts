/**
 * Writer processes are killed with kill -9 at random moments and started again, while a reader
 * follows. Afterwards: every acknowledged event is there at the place of its receipt, nothing was
 * invented, no position stands twice, each writer's events are in its order, the reader saw exactly
 * what is stored, and SQLite finds the file intact. The moments are drawn from a seed that a
 * failure prints; what the processes do between them is not repeatable.
 */
import { join } from "node:path";
import { expect, it } from "vitest";
import { seededRandom } from "../../examples/random.ts";
import { openSqlite } from "../../src/engines/sqlite/sqlite.ts";
import type { QueuedEvent } from "../../src/queue/engine.ts";
import { fromStart, openQueue, readAll, startWriter, temporaryFolder } from "./support.ts";

const kills = 20;
const writers = 2;

it(`loses nothing acknowledged over ${kills} kills`, async () => {
  const folder = temporaryFolder();
  const seed = Number(process.env.MILLRACE_SEED ?? process.pid);
  const random = seededRandom(seed);
  const acknowledged = new Map<string, readonly [partition: number, position: number]>();
  let killed = 0;

  /**
   * One life of a writer: it dies after a random number of answers, somewhere in its next append.
   */
  const live = async (name: string) => {
    const answers = 3 + Math.floor(random() * 40);
    let seen = 0;
    const writer = startWriter({ folder, name }, (line) => {
      for (const [id, ...place] of line.acknowledged ?? []) {
        acknowledged.set(id, place as [number, number]);
      }
      if (++seen === answers) setImmediate(() => writer.process.kill("SIGKILL"));
    });
    await writer.exited;
    killed++;
  };
  const run = async (writer: number) => {
    for (let life = 0; life < kills / writers; life++) await live(`w${writer}.${life}`);
  };

  const engine = await openQueue({ folder });
  const stop = new AbortController();
  const following = follow(stop.signal, engine.subscribe(fromStart()));
  await Promise.all(Array.from({ length: writers }, (_, writer) => run(writer)));
  const stored = await readAll(engine);
  stop.abort();
  const followed = await following;
  followed.push(...(await readAll(engine, reachedBy(followed))));
  await engine.close();

  const context = `seed ${seed}: ${killed} kills, ${acknowledged.size} acknowledged, ${stored.length} stored`;
  expect(killed, context).toBe(kills);
  expect(acknowledged.size, context).toBeGreaterThan(100);
  const places = new Map(stored.map((one) => [one.event.id, [one.partition, one.position]]));
  for (const [id, place] of acknowledged) expect(places.get(id), context).toEqual(place);
  expect(followed, context).toEqual(stored);
  checkOrder(stored, context);

  const db = openSqlite(join(folder, "queue.db"));
  expect(db.prepare("pragma integrity_check").get()).toEqual({ integrity_check: "ok" });
  db.close();
});

async function follow(
  signal: AbortSignal,
  subscription: {
    next(
      limit: number,
      waitMs: number,
      signal: AbortSignal,
    ): Promise<{ readonly events: readonly QueuedEvent[] }>;
  },
): Promise<QueuedEvent[]> {
  const events: QueuedEvent[] = [];
  while (!signal.aborted) events.push(...(await subscription.next(100, 60_000, signal)).events);
  return events;
}

function reachedBy(events: readonly QueuedEvent[]): Map<number, number> {
  const reached = fromStart();
  for (const { partition, position } of events) reached.set(partition, position);
  return reached;
}

/** Ids are `writer.life-counter`: within a life the counters of a partition only grow. */
function checkOrder(stored: readonly QueuedEvent[], context: string): void {
  expect(new Set(stored.map(({ position }) => position)).size, context).toBe(stored.length);
  expect(new Set(stored.map(({ event }) => event.id)).size, context).toBe(stored.length);
  const last = new Map<string, number>();
  for (const { partition, event } of stored) {
    const [, life = "", counter = ""] = /^(w\d+\.\d+)-(\d+)$/.exec(event.id) ?? [];
    expect(life, `${event.id} was sent by a writer`).not.toBe("");
    const line = `${life} ${partition}`;
    expect(Number(counter), context).toBeGreaterThan(last.get(line) ?? 0);
    last.set(line, Number(counter));
  }
}
