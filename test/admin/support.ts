/** The admin port over a real worker on a workbench, with its own connection to the database. */
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { on, Reject } from "millrace";
import { onTestFinished, vi } from "vitest";
import { createAdmin } from "../../src/admin/admin.ts";
import type { AdminOptions } from "../../src/admin/options.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { DeadLetters } from "../../src/worker/dead-letters.ts";
import { Bench, Counted, Followed, type Instance, type Tables, wait } from "../worker/bench.ts";

/** What a test changes about the handler while it runs. */
export interface Mood {
  isBad: (n: number) => boolean;
  /** Parked instead of dead. */
  waits: (n: number) => boolean;
}

export const moody = (mood: Mood) =>
  on<typeof Counted, Tables, typeof Followed, undefined>(
    Counted,
    { attempts: 2, backoff: { firstMs: 60_000 }, emits: [Followed] },
    async (event, { db, cache, emit }) => {
      if (mood.waits(event.data.n)) throw new Error(`not ${event.data.n} yet`);
      if (mood.isBad(event.data.n)) throw new Reject(`no ${event.data.n}`);
      cache.touch(`count:${event.data.key}`);
      emit(Followed, event.data);
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    },
  );

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came.
  readonly json: any;
}

export interface Port {
  readonly bench: Bench;
  readonly instance: Instance;
  readonly letters: DeadLetters;
  readonly url: string;
  readonly mood: Mood;
  readonly logged: string[];
  get(path: string, headers?: Record<string, string>): Promise<Answered>;
  /** With a JSON body. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answered>;
  /** Publishes an event for each number, and waits until all of them are dead. */
  bury(key: string, ...numbers: number[]): Promise<string[]>;
  stop(): Promise<void>;
}

export async function openPort(options: Partial<AdminOptions> = {}): Promise<Port> {
  const bench = await Bench.open();
  const mood: Mood = { isBad: (n) => n < 0, waits: () => false };
  const handlers = [moody(mood)];
  const instance = await bench.start(handlers);
  const logged: string[] = [];
  const admin = createAdmin({
    workerNames: ["counter"],
    database: async () => instance.database,
    databasePlace: async () => "database.db",
    queue: async () => bench.engine,
    cache: async () => createMemoryCache({ bytesMax: 1_000_000, clock: systemClock }),
    application: async () => bench.application(handlers).system,
    auth: { mode: "open" },
    listen: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    log: {
      ...silentLog,
      info: (fields, message) => logged.push(`${message} ${JSON.stringify(fields)}`),
    },
    drainMs: 5_000,
    onFatal: (error) => instance.fatal.push(error),
    ...options,
  });
  await admin.start();
  onTestFinished(async () => {
    await admin.stop();
    await bench[Symbol.asyncDispose]();
  });
  const { port } = admin.address as { port: number };
  const url = `http://127.0.0.1:${port}`;
  const letters = new DeadLetters(instance.database);
  return {
    ...{ bench, instance, letters, url, mood, logged },
    get: (path, headers = {}) => answered(fetch(url + path, { headers })),
    send: (method, path, body, headers = { "content-type": "application/json" }) =>
      answered(
        fetch(url + path, {
          method,
          headers,
          ...(body === undefined
            ? {}
            : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        }),
      ),
    async bury(key, ...numbers) {
      const before = await letters.count({});
      const receipts = [];
      for (const n of numbers) receipts.push(await bench.publish(key, n));
      await vi.waitFor(async () => {
        if ((await letters.count({})) < before + numbers.length) throw new Error("not dead yet");
      }, wait);
      return receipts.map(({ id }) => id);
    },
    stop: () => admin.stop(),
  };
}

async function answered(asked: Promise<Response>): Promise<Answered> {
  const answer = await asked;
  const body = await answer.text();
  const isJson = /[/+]json(;|$)/.test(answer.headers.get("content-type") ?? "") && body !== "";
  return {
    status: answer.status,
    headers: answer.headers,
    text: body,
    json: isJson ? JSON.parse(body) : undefined,
  };
}

/** A request whose headers are not fetch's to decide, such as Host and Origin. */
export async function raw(
  url: string,
  method: string,
  headers: Record<string, string>,
): Promise<{ status: number; json: { code?: string } }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    json: { code?: string };
  }>();
  const request = httpRequest(url, { method, headers }, async (answer) => {
    const body = await text(answer);
    resolve({ status: answer.statusCode ?? 0, json: body === "" ? {} : JSON.parse(body) });
  });
  request.once("error", reject).end();
  return await promise;
}
