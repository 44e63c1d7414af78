/** A small application, links to workers that answer what a test says, and a gateway in front. */
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import {
  defineDatabase,
  defineEvent,
  defineSystem,
  defineWorker,
  on,
  query,
  type SystemDefinition,
} from "millrace";
import { onTestFinished } from "vitest";
import { z } from "zod";
import { openMemoryQueue } from "../../src/engines/memory/queue.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import type { GatewayOptions } from "../../src/gateway/options.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createProducer } from "../../src/producer/producer.ts";
import type { QueuedEvent, QueueEngine } from "../../src/queue/engine.ts";
import { createQueue } from "../../src/queue/queue.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import type { Place, ScheduledId, Standing, WorkerLink } from "../../src/worker/link.ts";
import { readAll } from "../queue/support.ts";

export const PostPublished = defineEvent("post.published", {
  data: z.object({
    author: z.string().min(1),
    text: z.string().max(500),
    likes: z.number().optional(),
  }),
  key: (post) => post.author,
});
export const MentionFound = defineEvent("mention.found", {
  data: z.object({ user: z.string() }),
  key: ({ user }) => user,
});

const database = defineDatabase<Record<string, never>>({ migrations: {} });
export const social = defineSystem("social", {
  accepts: [PostPublished],
  workers: [
    defineWorker("timelines", database, {
      handlers: [on(PostPublished, { emits: [MentionFound] }, async () => {})],
      queries: {
        home: query({ input: z.object({ user: z.string() }) }, async () => [{ text: "hello" }]),
      },
    }),
    defineWorker("notifications", database, { handlers: [on(MentionFound, async () => {})] }),
  ],
});

/** A worker that stands where it is told to, and remembers what it was asked. */
export class TestWorker implements WorkerLink {
  readonly name: string;
  readonly asked: { name: string; search: string; after: readonly Place[] }[] = [];
  state: Standing = { state: "done" };
  waited: number[] = [];
  /** So many questions where an event stands meet nobody. */
  absences = 0;
  answer: () => Promise<string> = async () => '[{"text":"hello"}]';

  constructor(name: string) {
    this.name = name;
  }

  async query(name: string, search: string, after: readonly Place[]): Promise<string> {
    this.asked.push({ name, search, after });
    return await this.answer();
  }

  async standing(_place: Place, waitMs: number): Promise<Standing> {
    this.waited.push(waitMs);
    if (this.absences-- > 0) throw new MillraceError("MR_WORKER_UNAVAILABLE", "not there");
    return this.state;
  }

  /** Whether what is cancelled still waits for its time here. */
  isScheduled = true;
  cancelled: ScheduledId[] = [];

  async cancel({ id, source }: ScheduledId): Promise<boolean> {
    this.cancelled.push(source === undefined ? { id } : { id, source });
    return this.isScheduled;
  }

  async progress(): Promise<never> {
    throw new MillraceError("MR_WORKER_UNAVAILABLE", "not asked in these tests");
  }
}

export interface Running {
  readonly gateway: Gateway;
  readonly url: string;
  readonly port: number;
  readonly engine: QueueEngine;
  readonly timelines: TestWorker;
  /** Everything that the queue holds, in order. */
  stored(): Promise<readonly QueuedEvent[]>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** A gateway on a free port over a memory queue; stopped when the test is over. */
export async function startGateway(
  options: Partial<GatewayOptions> & { system?: SystemDefinition } = {},
): Promise<Running> {
  const clock = options.clock ?? systemClock;
  const engine = openMemoryQueue({ clock });
  const timelines = new TestWorker("timelines");
  const queue = createQueue(engine);
  const producer = createProducer({ queue, clock, tracing: options.tracing ?? noTracing });
  const gateway = createGateway({
    system: social,
    producer,
    queue,
    workers: new Map([["timelines", timelines]]),
    tracing: noTracing,
    auth: { mode: "open" },
    listen: { host: "127.0.0.1", port: 0 },
    trustProxy: false,
    clock,
    log: silentLog,
    drainMs: 10_000,
    name: "gateway 1",
    ...options,
  });
  await gateway.start();
  onTestFinished(async () => {
    await gateway.stop();
    await producer.stop();
    await queue.close();
  });
  const port = "port" in gateway.address ? gateway.address.port : 0;
  const url = `http://127.0.0.1:${port}`;
  return {
    gateway,
    url,
    port,
    engine,
    timelines,
    stored: () => readAll(engine),
    fetch: (path, init) => fetch(url + path, init),
  };
}

export const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const ada = { author: "ada", text: "hello @grace" };

/** Sends bytes as they are and returns the whole answer; for what `fetch` would not send. */
export async function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes);
  return await text(socket);
}

/** A request with exactly these headers, over Node's own client. */
export function sendPlain(
  port: number,
  {
    method = "POST",
    path = "/",
    headers = {},
    body = "",
  }: {
    method?: string;
    path?: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
  },
): Promise<{ status: number; headers: Record<string, string>; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: "127.0.0.1", method, path, headers }, (response) => {
      text(response).then(
        (answer) =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
            body: answer,
          }),
        reject,
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}
