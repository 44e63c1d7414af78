/**
 * A move that is broken off at any of its steps, before it or behind it, and called again: at no
 * time could both systems be started, or a half one, and in the end everything that workers keep
 * beside the queue has the place that its event has in the new one. The second half asks what a
 * move refuses before it begins.
 */
import { expect, it } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { openMemoryDatabase } from "../../src/engines/memory/database.ts";
import { createMemoryQueueData, openMemoryQueue } from "../../src/engines/memory/queue.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { limits } from "../../src/lib/limits.ts";
import { type MoveParts, move, type Side, type Target } from "../../src/move/move.ts";
import type { QueueEngine } from "../../src/queue/engine.ts";
import { sealOf, sealText } from "../../src/queue/seal.ts";
import { defineDatabase } from "../../src/system/database.ts";
import { defineWorker } from "../../src/system/worker.ts";
import { prepareBookkeeping } from "../../src/worker/tables.ts";
import { record } from "./support.ts";

const database = defineDatabase<{ effects: { id: string } }>({
  migrations: {
    "001-effects": (db) => db.schema.createTable("effects").addColumn("id", "text").execute(),
  },
});
const keeper = defineWorker("keeper", database, { handlers: [] });
const partitions = 2;
const ids = Array.from({ length: 12 }, (_, n) => `event ${n}`);

async function prepared(): Promise<DatabaseEngine> {
  const engine = await openMemoryDatabase();
  await prepareBookkeeping(engine);
  await engine.migrate("keeper", database.migrations);
  return engine;
}

/** A stopped system: some of its events trimmed, one of each kind put aside, two not read yet. */
async function stopped(): Promise<Side & { readonly engine: DatabaseEngine }> {
  const queue = openMemoryQueue({ partitions });
  const receipts = await queue.append(
    ids.map((id, n) => ({ partition: n % partitions, event: record(id), fingerprint: id })),
  );
  const place = (n: number) => {
    const { partition = 0, position = 0 } = receipts[n] ?? {};
    return { partition, position };
  };
  await queue.trim(0, place(4).position);
  await queue.trim(1, place(5).position);
  const engine = await prepared();
  await engine.transaction(async (tx) => {
    const columns = (n: number) => {
      const { partition, position } = place(n);
      return `${partition}, ${position}, 'key', '${ids[n]}'`;
    };
    const event = (n: number) => `'${JSON.stringify(record(ids[n] ?? ""))}'`;
    await tx.run(`insert into millrace_queue values (1, '${queue.identity}')`);
    for (const n of [8, 9]) {
      const { partition, position } = place(n);
      await tx.run(
        `insert into millrace_positions values (${partition}, ${position}, 'keeper 1', 7, 99, ${partition})`,
      );
    }
    // The oldest of the line was trimmed, the last was not.
    for (const n of [2, 4, 8]) {
      await tx.run(
        `insert into millrace_parked values (${columns(n)}, 5, ${event(n)}, 1, ${n === 2 ? 9 : "null"}, null, '[]')`,
      );
    }
    await tx.run(
      `insert into millrace_dead_letters values (${place(3).partition}, ${place(3).position}, 'key',
         'type', '${ids[3]}', '${record("").source}', 5, ${event(3)}, 8, '{}', '[]', 'print', 6, 1)`,
    );
    await tx.run(
      `insert into millrace_timers values (${columns(9)}, '${record("").source}', 99, 5, ${event(9)}, null)`,
    );
    // Of a parked event, of one that is not read yet, and of one that is long done.
    for (const n of [2, 10, 0]) {
      const { partition, position } = place(n);
      await tx.run(`insert into millrace_attempts values (${partition}, ${position}, ${n + 1})`);
    }
    await tx.run("insert into millrace_outbox values (5, 1, 'first'), (9, 0, 'second')");
    await tx.run("insert into millrace_inbox values ('event 0', '/s', 1), ('event 1', '/s', 2)");
    await tx.run("insert into millrace_audit values (3, 1, 'ada', 'skip', '{}')");
    await tx.run("insert into millrace_schedules values ('daily', '0 0 * * *', 'UTC', 1, 2)");
    await tx.run("insert into millrace_touches (key) values ('cached')");
    await tx.run("insert into effects values ('event 0'), ('event 1')");
  });
  return {
    ...{ queue, engine, where: "memory:a" },
    workers: async () => ["keeper"],
    database: async () => engine,
  };
}

interface EmptySystem extends Target {
  /** The database in use; undefined where none is. */
  inUse(): DatabaseEngine | undefined;
}

function empty(): EmptySystem {
  const queue = openMemoryQueue({ partitions });
  const made: DatabaseEngine[] = [];
  let used: DatabaseEngine | undefined;
  return {
    ...{ queue, where: "memory:b", inUse: () => used },
    workers: async () => (used === undefined ? [] : ["keeper"]),
    async database() {
      if (used === undefined) throw new Error("there is none");
      return used;
    },
    async another() {
      const engine = await openMemoryDatabase();
      made.push(engine);
      // It is in memory and would be gone when it is closed.
      return {
        place: String(made.length - 1),
        database: { ...bound(engine), close: async () => {} },
      };
    },
    async use(_, place) {
      used = made[Number(place)];
    },
  };
}

/** All members of an object of a class, as own ones. */
function bound<Value extends object>(value: Value): Value {
  const members: Record<string, unknown> = {};
  for (let at: object | null = value; at !== null && at !== Object.prototype; ) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name in members || name === "constructor") continue;
      const member: unknown = Reflect.get(value, name);
      members[name] = typeof member === "function" ? member.bind(value) : member;
    }
    at = Object.getPrototypeOf(at);
  }
  return members as Value;
}

const partsOf = (from: Side, to: Target): MoveParts => ({
  ...{ from, to, workers: [keeper], who: "test", clock: systemClock },
  signal: new AbortController().signal,
  onProgress: () => {},
});

/** What changes something, each a step at which a process can end. */
const steps = new Set(["append", "trim", "setSeal", "another", "use"]);

/** The same object, whose steps count, and which dies at one of them. */
function mortal<Value extends object>(value: Value, step: () => { die(): void }): Value {
  return new Proxy(value, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (!steps.has(String(name))) return member.bind(target);
      return async (...parameters: unknown[]) => {
        const { die } = step();
        const result: unknown = await member.apply(target, parameters);
        die();
        return result;
      };
    },
  });
}

class Death extends Error {}

/** Dies before the nth step, or behind it. */
function mortalParts(from: Side, to: Target, at: number, isBehind: boolean): MoveParts {
  let count = 0;
  const step = () => {
    count += 1;
    const isIt = count === at;
    if (isIt && !isBehind) throw new Death();
    return {
      die() {
        if (isIt) throw new Death();
      },
    };
  };
  return partsOf(
    { ...from, queue: mortal(from.queue, step) },
    mortal({ ...to, queue: mortal(to.queue, step) }, step),
  );
}

const isOpen = ({ seal }: QueueEngine) => seal === undefined;

/** Whoever starts a system finds all of it, or is refused. */
async function checkStartable(from: Side, to: EmptySystem): Promise<void> {
  const isBegun = [...(await to.queue.ends()).values()].some((end) => end > 0);
  const canStartThere = isOpen(to.queue) && isBegun;
  expect(isOpen(from.queue) && canStartThere).toBe(false);
  if (canStartThere) await checkMoved(to);
}

async function checkMoved(to: EmptySystem): Promise<void> {
  const engine = await to.database("keeper");
  const placeOf = async (id: string) => {
    const [found] = await to.queue.find(id);
    return { partition: found?.partition, position: found?.position };
  };
  const parked = await engine.read(
    "select partition, position, id from millrace_parked order by position",
  );
  expect(parked.map(({ id }) => id)).toEqual([ids[2], ids[4], ids[8]]);
  for (const row of [
    ...parked,
    ...(await engine.read("select partition, position, id from millrace_timers")),
    ...(await engine.read("select partition, position, id from millrace_dead_letters")),
  ]) {
    expect(row).toMatchObject(await placeOf(String(row.id)));
  }
  const attempts = await engine.read("select * from millrace_attempts order by attempt");
  expect(attempts).toEqual([
    { ...(await placeOf(ids[2] ?? "")), attempt: 3 },
    { ...(await placeOf(ids[10] ?? "")), attempt: 11 },
  ]);
  const positions = await engine.read("select * from millrace_positions order by partition");
  expect(positions).toEqual(
    await Promise.all(
      [8, 9].map(async (n) => ({
        ...(await placeOf(ids[n] ?? "")),
        ...{ owner: "keeper 1", epoch: 0, lease_until: 0, paused: n % partitions },
      })),
    ),
  );
  const counts = await engine.read(
    `select (select group_concat(event) from millrace_outbox) as outbox,
       (select identity from millrace_queue) as identity,
       (select count(*) from millrace_inbox) as inbox,
       (select group_concat(did) from millrace_audit) as audit,
       (select count(*) from millrace_schedules) as schedules,
       (select count(*) from millrace_touches) as touches,
       (select count(*) from effects) as effects`,
  );
  const { identity } = to.queue;
  expect(counts).toEqual([
    {
      identity,
      outbox: "first,second",
      inbox: 2,
      audit: "skip,move",
      schedules: 1,
      touches: 0,
      effects: 2,
    },
  ]);
  for (const id of ids) {
    const [found] = await to.queue.find(id);
    expect(found?.fingerprint).toBe(id);
  }
}

it("ends well wherever it was broken off, and never leaves two that start, or a half one", async () => {
  let died = 0;
  for (let at = 1, isOver = false; !isOver; at++) {
    for (const isBehind of [false, true]) {
      const [from, to] = [await stopped(), empty()];
      const first = await move(mortalParts(from, to, at, isBehind)).then(
        () => "done",
        (error: unknown) => error,
      );
      await checkStartable(from, to);
      isOver = first === "done";
      if (!isOver) expect(first).toBeInstanceOf(Death);
      died += isOver ? 0 : 1;
      // Behind its last step it is done, and told so.
      const isDone = isOpen(to.queue) && !isOpen(from.queue);
      const second = move(partsOf(from, to));
      if (isDone) await expect(second).rejects.toMatchObject({ code: "MR_MOVE_SOURCE" });
      else expect(await second).toMatchObject({ events: 6, repeats: 0, left: [] });
      await checkMoved(to);
      expect(isOpen(to.queue)).toBe(true);
      expect(sealOf(from.queue)).toMatchObject({ state: "moved", to: to.queue.identity });
    }
  }
  // Three seals, three appends, two trims, a database and its use; before and behind each.
  expect(died).toBe(20);
});

it("refuses a target where anything is, and leaves it as it was", async () => {
  const from = await stopped();
  const busy = empty();
  await busy.queue.append([{ partition: 0, event: record("other") }]);
  await expect(move(partsOf(from, busy))).rejects.toMatchObject({ code: "MR_MOVE_TARGET" });
  expect(isOpen(busy.queue)).toBe(true);
  const taken = { ...empty(), workers: async () => ["keeper"] };
  await expect(move(partsOf(from, taken))).rejects.toThrow("a database of keeper");
  const other = { ...empty(), queue: openMemoryQueue({ partitions: 3 }) };
  await expect(move(partsOf(from, other))).rejects.toThrow("3 partitions");
  for (const seal of [
    { state: "filling", from: "another queue", at: 0 },
    { state: "moved", to: "another queue", where: "elsewhere", at: 0 },
    // Its ids may be forgotten by now.
    { state: "filling", from: from.queue.identity, at: Date.now() - limits.moveResumeMs },
  ] as const) {
    const to = empty();
    await to.queue.setSeal(sealText(seal));
    await expect(move(partsOf(from, to))).rejects.toMatchObject({ code: "MR_MOVE_TARGET" });
    expect(sealOf(to.queue)).toEqual(seal);
  }
  expect(isOpen(from.queue)).toBe(true);
});

it("refuses a source that is none, or not whole", async () => {
  const half = await stopped();
  await half.queue.setSeal(sealText({ state: "filling", from: "another queue", at: 0 }));
  await expect(move(partsOf(half, empty()))).rejects.toMatchObject({ code: "MR_MOVE_SOURCE" });
  const unused = { ...(await stopped()), database: () => openMemoryDatabase() };
  await expect(move(partsOf(unused, empty()))).rejects.toThrow("was never used");
  const data = createMemoryQueueData(partitions);
  const stranger = { ...(await stopped()), queue: openMemoryQueue({ data }) };
  await expect(move(partsOf(stranger, empty()))).rejects.toMatchObject({
    code: "MR_QUEUE_IDENTITY",
  });
});

it("notices that the source went on meanwhile", async () => {
  const [from, to] = [await stopped(), empty()];
  const parts = partsOf(from, to);
  let isWritten: Promise<unknown> | undefined;
  const moving = move({
    ...parts,
    onProgress({ part }) {
      if (part === "opening the target") {
        isWritten ??= from.queue.append([{ partition: 0, event: record("late") }]);
      }
    },
  });
  await expect(moving).rejects.toThrow("went on while it was moved");
  await isWritten;
  expect(isOpen(from.queue)).toBe(true);
  expect(isOpen(to.queue)).toBe(false);
});
