import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { FoundEvent, QueueEngine } from "../../queue/engine.ts";
import type { Scenario } from "./scenario.ts";
import { appendAll, appendOne, request, requests } from "./support.ts";

/** What a move asks of a queue: a seal for all who open it, and the ids that outlive events. */
export const moving: readonly Scenario[] = [
  {
    name: "a seal is there for whoever opens the queue next, until it is taken away",
    needs: "restart",
    async run(open) {
      const first = await open();
      strictEqual(first.seal, undefined);
      await first.setSeal('{"state":"äß"}');
      await first.setSeal('{"state":"another"}');
      await first.close();
      const second = await open();
      strictEqual(second.seal, '{"state":"another"}');
      strictEqual(second.identity, first.identity);
      await second.setSeal(undefined);
      await second.setSeal(undefined);
      await second.close();
      strictEqual((await open()).seal, undefined);
    },
  },
  {
    name: "a seal changes nothing about the events",
    async run(open) {
      const engine = await open();
      const { position } = await appendOne(engine, request("before", 1));
      await engine.setSeal("sealed");
      const again = await appendOne(engine, request("before", 1));
      deepStrictEqual([again.duplicate, again.position], [true, position]);
      const next = await appendOne(engine, request("after", 1));
      ok(next.position > position);
      await engine.setSeal(undefined);
      strictEqual((await engine.ends()).get(1), next.position);
    },
  },
  {
    name: "ids whose events were trimmed are told, page by page, where they are kept as they are",
    needs: "trimmedIds",
    async run(open) {
      const engine = await open();
      ok(engine.trimmedIds, "it can tell them");
      const receipts = await appendAll(engine, requests("event", 40));
      const sent = { ...request("event-x", 2, { source: "/other" }), fingerprint: "print" };
      const last = await appendOne(engine, sent);
      const kept = await appendOne(engine, request("kept", 2));
      await engine.trim(1, receipts.find(({ partition }) => partition === 1)?.position ?? 0);
      await engine.trim(2, last.position);
      const trimmed = await pages(engine, 4);
      deepStrictEqual(
        trimmed.map(({ id }) => id),
        [
          "event-000001",
          ...receipts.flatMap(({ id, partition }) => (partition === 2 ? [id] : [])),
          "event-x",
        ].sort(),
      );
      const { acceptedAt: _, ...told } = trimmed.at(-1) as FoundEvent;
      const { position } = last;
      deepStrictEqual(told, {
        ...{ id: "event-x", source: "/other", partition: 2, position, fingerprint: "print" },
      });
      ok(trimmed.every(({ id, event }) => id !== kept.id && event === undefined));
    },
  },
];

async function pages(engine: QueueEngine, limit: number): Promise<FoundEvent[]> {
  const all: FoundEvent[] = [];
  for (let after = { id: "", source: "" }; ; ) {
    const page = (await engine.trimmedIds?.(after, limit)) ?? [];
    all.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return all;
    after = { id: last.id, source: last.source };
  }
}
