/**
 * A queue's events go to another queue, through the port alone: in the order of each key, with the
 * ids that are still remembered, and with places for what workers have put aside, in the order that
 * they had. A copy that was broken off anywhere is repeated and ends the same; what is written
 * beside it is found.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { createMemoryQueueData, openMemoryQueue } from "../../src/engines/memory/queue.ts";
import { type CopiedQueue, copyQueue, type Positions } from "../../src/move/copy-queue.ts";
import { type Side, workersOf } from "../../src/move/move.ts";
import type { WaitingEvent } from "../../src/move/waiting-events.ts";
import type { AppendRequest, QueueEngine, Receipt } from "../../src/queue/engine.ts";
import { record, storedIn } from "./support.ts";

const partitions = 3;
const memory = () => openMemoryQueue({ partitions });

const request = (id: string, partition: number, fingerprint?: string): AppendRequest => ({
  partition,
  event: record(id),
  ...(fingerprint === undefined ? {} : { fingerprint }),
});

interface Options {
  readonly applied?: Positions;
  readonly waiting?: readonly WaitingEvent[];
  readonly signal?: AbortSignal;
}

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

const copy = async (from: QueueEngine, to: QueueEngine, options: Options = {}) =>
  await copyQueue({
    ...{ from, to },
    applied: new Map([["worker", options.applied ?? new Map()]]),
    waiting: each(options.waiting ?? []),
    signal: options.signal ?? new AbortController().signal,
    onProgress: () => {},
  });

const waitingOf = ({ id, partition, position }: Receipt): WaitingEvent => ({
  ...{ id, partition, position },
  source: record(id).source,
});

const linesOf = async (queue: QueueEngine) =>
  Map.groupBy(
    (await storedIn(queue)).map(({ partition, event }) => ({ partition, event })),
    ({ partition }) => partition,
  );

it("takes events in their order, ids with their fingerprints, and how far workers are", async () => {
  const [from, to] = [memory(), memory()];
  const receipts = await from.append([
    request("a", 0, "print a"),
    request("b", 1),
    request("c", 0),
    request("d", 0),
    request("e", 2),
  ]);
  await from.trim(0, receipts[0]?.position ?? 0);
  const applied = new Map([
    [0, receipts[2]?.position ?? 0],
    [1, 0],
  ]);
  const copied = await copy(from, to, { applied });
  expect(copied).toMatchObject({ events: 4, ids: 1, repeats: 0 });
  expect(await linesOf(to)).toEqual(await linesOf(from));
  const [again] = await to.append([request("a", 0, "print a")]);
  expect(again).toMatchObject({ duplicate: true, fingerprint: "print a" });
  const [c] = await to.find("c");
  expect(copied.applied.get("worker")?.get(0)).toBe(c?.position);
  // Partition 1: nothing is applied there, and nothing was trimmed.
  expect(copied.applied.get("worker")?.get(1) ?? 0).toBe(0);
});

it("gives what waits at workers places in the order that it had, trimmed or not", async () => {
  const [from, to] = [memory(), memory()];
  // Ids that would come in another order by their names.
  const receipts = await from.append(["z", "m", "a", "k", "b"].map((id) => request(id, 0)));
  await from.trim(0, receipts[2]?.position ?? 0);
  const applied = new Map([[0, receipts[4]?.position ?? 0]]);
  const waiting = [receipts[0], receipts[2], receipts[3]].map((one) => waitingOf(one as Receipt));
  await copy(from, to, { applied, waiting });
  const positions = [];
  for (const { id } of waiting) positions.push((await to.find(id))[0]?.position ?? 0);
  expect(positions).toEqual([...positions].sort((one, other) => one - other));
  expect(new Set(positions).size).toBe(3);
});

it("leaves behind what stands in the queue twice under one id", async () => {
  const data = createMemoryQueueData(partitions);
  const from = openMemoryQueue({ data });
  await from.append([request("a", 0), request("b", 0)]);
  // As where an id was forgotten after its time.
  data.ids.clear();
  const [last] = await from.append([request("a", 0)]);
  const to = memory();
  const copied = await copy(from, to, { applied: new Map([[0, last?.position ?? 0]]) });
  expect(copied).toMatchObject({ events: 2, repeats: 1 });
  expect((await storedIn(to)).map(({ event }) => event.id)).toEqual(["a", "b"]);
  const [b] = await to.find("b");
  expect(copied.applied.get("worker")?.get(0)).toBe(b?.position);
});

it("refuses to lose an event under the id of an earlier one that still waits", async () => {
  const data = createMemoryQueueData(partitions);
  const from = openMemoryQueue({ data });
  const [dead] = (await from.append([request("a", 0)])) as [Receipt];
  await from.trim(0, dead.position);
  // As where an id was forgotten after its time.
  data.ids.clear();
  await from.append([request("a", 0)]);
  await expect(copy(from, memory(), { waiting: [waitingOf(dead)] })).rejects.toMatchObject({
    code: "MR_MOVE_SOURCE",
    message: expect.stringContaining("The id a of"),
  });
});

it("refuses a source that lacks a worker of the application", async () => {
  const side = { workers: async () => ["ledger", "former"] } as unknown as Side;
  expect(await workersOf(side, ["ledger"])).toEqual(["ledger", "former"]);
  await expect(workersOf(side, ["ledger", "mirror"])).rejects.toMatchObject({
    code: "MR_MOVE_SOURCE",
    message: expect.stringContaining("mirror"),
  });
});

it("refuses a worker that has missed events, or read ones that are lost", async () => {
  const from = memory();
  const receipts = await from.append([request("a", 0), request("b", 0)]);
  await from.trim(0, receipts[1]?.position ?? 0);
  for (const position of [receipts[0]?.position ?? 0, 99]) {
    const applied = new Map([[0, position]]);
    await expect(copy(from, memory(), { applied })).rejects.toMatchObject({ code: "MR_QUEUE_GAP" });
  }
});

it("finds what somebody else has written to the target", async () => {
  const [from, to] = [memory(), memory()];
  await from.append([request("a", 0), request("b", 0)]);
  await to.append([request("stranger", 0)]);
  await expect(copy(from, to)).rejects.toMatchObject({ code: "MR_MOVE_DIFFERS" });
});

/** A target that breaks off before or after one of its appends. */
function mortal(queue: QueueEngine, appends: number, isStored: boolean): QueueEngine {
  let left = appends;
  return new Proxy(queue, {
    get(target, name) {
      if (name !== "append") {
        const member = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      }
      return async (requests: readonly AppendRequest[]) => {
        left -= 1;
        if (left >= 0) return await target.append(requests);
        if (isStored) await target.append(requests);
        throw new Error("broken off");
      };
    },
  });
}

it("ends the same, wherever it was broken off before", async () => {
  const actions = fc.array(fc.tuple(fc.nat(9), fc.nat(partitions - 1)), { maxLength: 40 });
  const deaths = fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(actions, fc.nat(40), deaths, async (events, cut, breaks) => {
      const from = memory();
      const receipts: Receipt[] = [];
      for (const [n, partition] of events) {
        receipts.push(...(await from.append([request(`id ${n} ${partition}`, partition)])));
      }
      for (const { partition, position } of receipts.slice(0, cut)) {
        await from.trim(partition, position);
      }
      const applied = new Map(await from.ends());
      const waiting = receipts
        .filter(({ duplicate }) => !duplicate)
        .map(waitingOf)
        .sort(byPlace);
      const to = memory();
      for (const [appends, isStored] of breaks) {
        await copy(from, mortal(to, appends, isStored), { applied, waiting }).catch(() => {});
      }
      const once = memory();
      const copies: CopiedQueue[] = [];
      for (const queue of [to, once]) copies.push(await copy(from, queue, { applied, waiting }));
      expect(copies[0]).toEqual(copies[1]);
      expect(await linesOf(to)).toEqual(await linesOf(from));
      expect(await to.ends()).toEqual(await once.ends());
    }),
  );
});

const byPlace = (one: WaitingEvent, other: WaitingEvent) =>
  one.partition - other.partition || one.position - other.position;
