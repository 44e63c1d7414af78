/**
 * The chain that makes a repeat harmless, from end to end on real processes: the client's key is
 * the event's id in the queue, its row in the inbox, and the reason for the ids of what is emitted,
 * which the queue and the next worker's inbox know in turn. Each link is repeated by itself.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, vi } from "vitest";
import { Picture } from "./picture.ts";

const patience = { timeout: 30_000, interval: 50 };
const key = '"order 7"';

interface Receipt {
  readonly id: string;
  readonly partition: number;
  readonly position: number;
  readonly duplicate?: boolean;
}

/** As a client does: with the same key again, where nothing was accepted for the moment. */
async function publish(
  picture: Picture,
  post = { author: "ada", text: "hello @grace" },
  idempotencyKey = key,
): Promise<Receipt> {
  return await vi.waitFor(async () => {
    const response = await fetch(`${picture.url}/events/post.published`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
      body: JSON.stringify(post),
    });
    const answer = await response.text();
    expect(response.status, answer).toBe(202);
    return JSON.parse(answer) as Receipt;
  }, patience);
}

const ask = async (picture: Picture, path: string): Promise<{ posts?: number }[]> =>
  (await (await fetch(`${picture.url}/${path}`)).json()) as { posts?: number }[];

async function effects(picture: Picture) {
  const home = await ask(picture, "timelines/home?user=ada");
  const notifications = await ask(picture, "notifications/list?user=grace");
  return { posts: home.length, notifications: notifications.length };
}

/** Works on a worker's database beside whatever runs. */
function change(picture: Picture, worker: string, work: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(join(picture.data, "workers", worker, "database.db"));
  try {
    work(db);
  } finally {
    db.close();
  }
}

it("makes one effect of everything that repeats, link by link", { timeout: 180_000 }, async () => {
  await using picture = await Picture.start();
  const first = await publish(picture);
  expect(first.duplicate).toBeUndefined();
  // The key: at any gateway, and after everything was killed.
  for (let time = 0; time < 3; time++) {
    expect(await publish(picture)).toMatchObject({ ...first, duplicate: true });
  }
  const once = { posts: 1, notifications: 1 };
  await vi.waitFor(async () => expect(await effects(picture)).toEqual(once), patience);
  await picture.killSupervisor();
  await vi.waitFor(async () => {
    expect(await publish(picture)).toMatchObject({ ...first, duplicate: true });
  }, patience);
  await vi.waitFor(async () => expect(await effects(picture)).toEqual(once), patience);

  // The queue delivers everything again, and the outbox relays again what it has relayed before.
  await picture.stop();
  const [mention, ...others] = mentionsIn(picture);
  expect(others).toEqual([]);
  for (const worker of ["timelines", "notifications"]) {
    change(picture, worker, (db) => db.exec("update millrace_positions set position = 0"));
  }
  change(picture, "timelines", (db) => {
    const insert = db.prepare("insert into millrace_outbox (partition, event) values (?, ?)");
    insert.run(first.partition, JSON.stringify(mention));
  });
  await picture.startAgain();
  expect(await publish(picture)).toMatchObject({ ...first, duplicate: true });
  // The row is swept by a transaction after its receipt.
  await vi.waitFor(async () => {
    await publish(picture, { author: "zoe", text: "hello" }, crypto.randomUUID());
    expect(outboxOf(picture)).toBe(0);
  }, patience);
  expect(await effects(picture)).toEqual(once);
  await picture.stop();
  expect(mentionsIn(picture)).toEqual([mention]);
});

/** The emitted events in the queue, as the outbox would hold them. */
function mentionsIn(picture: Picture): unknown[] {
  const queue = new DatabaseSync(join(picture.data, "queue", "queue.db"), { readOnly: true });
  try {
    const rows = queue
      .prepare(
        `select id, source, type, key, time, data, attributes from events
         where type = 'mention.found'`,
      )
      .all();
    return rows.map((row) => ({ ...row, attributes: JSON.parse(String(row.attributes ?? "{}")) }));
  } finally {
    queue.close();
  }
}

function outboxOf(picture: Picture): number {
  let rows = Number.NaN;
  change(picture, "timelines", (db) => {
    rows = Number(db.prepare("select count(*) as n from millrace_outbox").get()?.n);
  });
  return rows;
}
