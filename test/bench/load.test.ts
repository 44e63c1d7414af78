/**
 * Proves the load generator against small servers of its own: what it sends, what it counts, and
 * that a request which had to wait for another one's answer counts its waiting.
 */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { ClosedLoop, dueBy, OpenLoop } from "../../bench/load/generator.ts";
import { Generator } from "../../bench/load/load.ts";
import { eventBytes, firstNumber, nowUs, Request, timeOfField } from "../../bench/load/request.ts";

const event = { kind: "event", path: "/events/note.posted" } as const;

describe("a request", () => {
  const bodyOf = (bytes: Buffer) => bytes.toString("latin1").split("\r\n\r\n")[1] ?? "";

  test("carries an event of 66 bytes with its number, key and time", () => {
    expect(eventBytes).toBe(66);
    const request = new Request(event);
    const body = bodyOf(request.write(12_345, 678.9));
    expect(body).toHaveLength(66);
    const { at, ...rest } = JSON.parse(body);
    expect(rest).toEqual({ key: "u345", n: firstNumber + 12_345, text: "notes" });
    expect(timeOfField(at)).toBe(678);
    expect(JSON.parse(bodyOf(request.write(7, 1)))).toMatchObject({ n: firstNumber + 7 });
  });

  test("carries a line for each of several events", () => {
    const request = new Request({ kind: "lines", path: "/events/note.posted", events: 3 });
    const lines = bodyOf(request.write(10, 0)).split("\n");
    expect(lines.map((line) => JSON.parse(line).n - firstNumber)).toEqual([10, 11, 12]);
  });
});

test("so many requests are due at a constant rate", () => {
  expect(dueBy(0, 1_000, 10)).toBe(1);
  expect(dueBy(2_999, 1_000, 10)).toBe(3);
  expect(dueBy(60_000_000, 1_000, 10)).toBe(10);
});

/** Runs a task against a server on a port of its own. */
async function withServer<Result>(
  answer: RequestListener,
  task: (target: { readonly port: number }) => Promise<Result>,
): Promise<Result> {
  const server = createServer((request, response) => {
    request.resume().once("end", () => answer(request, response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await task({ port: (server.address() as { port: number }).port });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

describe("the closed loop", () => {
  const plan = { request: event, connections: 4, seconds: 0, firstNumber: 0 };

  test("sends one request on each connection when its time is nothing", async () => {
    const tally = await withServer(
      (_, response) => response.writeHead(202).end("{}"),
      (target) => new ClosedLoop({ ...plan, target }).run(),
    );
    expect(tally).toMatchObject({ sent: 4, succeeded: 4, answers: new Map([[202, 4]]) });
    expect(tally.times.count).toBe(4);
  });

  test("goes on after closed connections, chunked answers and refusals, and counts them", async () => {
    let requests = 0;
    const answers: RequestListener[] = [
      (_, response) => response.writeHead(202, { connection: "close" }).end("{}"),
      (_, response) => response.write("[1,") && response.end("2]"),
      (_, response) => response.writeHead(503).end(),
      (request) => request.socket.destroy(),
    ];
    const tally = await withServer(
      (request, response) => answers[requests++ % answers.length]?.(request, response),
      (target) => new ClosedLoop({ ...plan, target, seconds: 0.2 }).run(),
    );
    expect([...tally.answers.keys()].toSorted()).toEqual([0, 200, 202, 503]);
    expect(tally.sent).toBe(requests);
    expect(tally.sent - tally.succeeded).toBe(
      (tally.answers.get(0) ?? 0) + (tally.answers.get(503) ?? 0),
    );
  });
});

test.each([
  ["what comes in the lead, or after the end, does not", 1, 0],
  ["all but what is under way at the end does", 0, 1],
])("of what counts as steady: %s", async (_what, leadSeconds, isCounted) => {
  const connections = 4;
  const tally = await withServer(
    (_, response) => response.writeHead(202).end("{}"),
    (target) => {
      const plan = { target, request: event, connections, firstNumber: 0, seconds: 0.1 };
      return new ClosedLoop({ ...plan, leadSeconds }).run();
    },
  );
  expect(tally.steady).toBeLessThanOrEqual(tally.succeeded * isCounted);
  expect(tally.steady).toBeGreaterThanOrEqual((tally.succeeded - connections) * isCounted);
});

test("the open loop uses its connections in turn, so that none is left until it is closed", async () => {
  const requests = new Map<unknown, number>();
  await withServer(
    ({ socket }, response) => {
      requests.set(socket, (requests.get(socket) ?? 0) + 1);
      response.writeHead(202).end("{}");
    },
    (target) => {
      const plan = { target, request: event, connections: 4, firstNumber: 0 };
      return new OpenLoop({ ...plan, perSecond: 100, seconds: 0.12 }).run();
    },
  );
  expect([...requests.values()]).toEqual([3, 3, 3, 3]);
});

test("a generator sends loads one after another, and ends when it is let go", async () => {
  const plan = { request: event, connections: 2, seconds: 0, firstNumber: 0 };
  await withServer(
    (_, response) => response.writeHead(202).end("{}"),
    async (target) => {
      await using generator = new Generator();
      for (const connections of [2, 3]) {
        const tally = await generator.run({ ...plan, target, connections });
        expect(tally).toMatchObject({ sent: connections, succeeded: connections });
        expect(tally.times.count).toBe(connections);
      }
    },
  );
});

test("the open loop counts from when a request was meant to be sent", async () => {
  const heldUs = 50_000;
  let first: number | undefined;
  const tally = await withServer(
    (_, response) => {
      first ??= nowUs();
      const isOver = () => nowUs() - (first ?? 0) >= heldUs;
      const timer = setInterval(() => {
        if (!isOver()) return;
        clearInterval(timer);
        response.writeHead(202).end();
      }, 1);
    },
    (target) =>
      new OpenLoop({
        target,
        request: event,
        connections: 1,
        perSecond: 1_000,
        seconds: 0.01,
        firstNumber: 0,
      }).run(),
  );
  expect(tally.sent).toBe(10);
  // The tenth was meant 9 ms after the first, whose answer was held: all had to wait for it.
  expect(tally.times.quantileUs(0.01)).toBeGreaterThan(heldUs - 10_000);
});
