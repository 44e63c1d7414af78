/**
 * A poison event costs only itself, in whichever way it is poison: its handler throws, hangs, ends
 * its process or blocks it. Among good events, in real processes, each is a dead letter once, after
 * its attempts, and every good event has its effect once, in the order of its key.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, vi } from "vitest";
import { Picture } from "./picture.ts";

type Kind = "good" | "throw" | "hang" | "exit" | "loop";

interface Task {
  readonly key: string;
  readonly kind: Kind;
}

const poison: Readonly<Record<Exclude<Kind, "good">, number>> = {
  throw: 940,
  hang: 50,
  exit: 6,
  loop: 4,
};

/** Good ones before and behind every poison one, also in its own key. */
function tasks(): Task[] {
  const kinds = Object.entries(poison).flatMap(([kind, count]) =>
    Array.from({ length: count }, () => kind as Kind),
  );
  const mixed = kinds.toSorted((a, b) => hash(a, kinds.indexOf(a)) - hash(b, kinds.indexOf(b)));
  return mixed.flatMap((kind, index) => [
    { key: `key-${index % 97}`, kind },
    { key: `key-${index % 97}`, kind: "good" as const },
    { key: `calm-${index % 13}`, kind: "good" as const },
  ]);
}

const hash = (text: string, seed: number) => (text.length * 7_919 + seed * 104_729) % 1_009;

it("keeps a thousand poison events to themselves", { timeout: 300_000 }, async () => {
  await using picture = await Picture.start("test/whole-picture/poison-app.ts", [], {
    MILLRACE_HANG_MS: "2000",
  });
  const sent = tasks();
  const answer = await fetch(`${picture.url}/events/task.given`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: sent.map((task) => `${JSON.stringify(task)}\n`).join(""),
  });
  expect(answer.status).toBe(202);
  const { receipts } = (await answer.json()) as { receipts: { id: string }[] };
  const events = sent.map((task, index) => ({ ...task, id: receipts[index]?.id ?? "" }));
  const good = events.filter(({ kind }) => kind === "good");
  const bad = events.filter(({ kind }) => kind !== "good");

  const file = join(picture.data, "workers", "eater", "database.db");
  const read = <Row>(sql: string): Row[] => {
    using database = new DatabaseSync(file, { readOnly: true });
    return database.prepare(sql).all() as Row[];
  };
  await vi.waitFor(
    () => {
      const [{ n: dead } = { n: 0 }] = read<{ n: number }>(
        "select count(*) as n from millrace_dead_letters",
      );
      const [{ n: done } = { n: 0 }] = read<{ n: number }>("select count(*) as n from effects");
      expect({ dead, done }).toEqual({ dead: bad.length, done: good.length });
    },
    { timeout: 280_000, interval: 500 },
  );

  const letters = read<{ id: string; attempts: number }>(
    "select id, attempts from millrace_dead_letters",
  );
  expect(letters.map(({ id }) => id).toSorted()).toEqual(bad.map(({ id }) => id).toSorted());
  expect(letters.filter(({ attempts }) => attempts !== 2)).toEqual([]);
  const effects = read<{ id: string; key: string }>("select id, key from effects order by rowid");
  expect(new Set(effects.map(({ id }) => id)).size).toBe(effects.length);
  for (const [key, ofKey] of Map.groupBy(good, (task) => task.key)) {
    expect(effects.filter((effect) => effect.key === key).map(({ id }) => id)).toEqual(
      ofKey.map(({ id }) => id),
    );
  }
  expect(read("select * from millrace_parked")).toEqual([]);
  expect(read("select * from millrace_attempts")).toEqual([]);
});
