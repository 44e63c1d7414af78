/**
 * Many events as a stream of lines: appended in chunks, each checked whole; never held whole. What
 * is held is counted in lines, by a producer that holds on to each chunk until the test lets go.
 */
import { request } from "node:http";
import { json as readJson } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import { lineChunks } from "../../src/gateway/ndjson.ts";
import type { Publication } from "../../src/gateway/options.ts";
import { limits } from "../../src/lib/limits.ts";
import { ada, startGateway } from "./support.ts";

const path = "/events/post.published";
const ndjson = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-ndjson", ...headers },
  body,
});
const line = (index: number) => `${JSON.stringify({ ...ada, text: `post ${index}` })}\n`;
const lines = (count: number) => Array.from({ length: count }, (_, index) => line(index)).join("");

it("appends every line and tells counts, receipts and positions", async () => {
  const { fetch, stored } = await startGateway();
  const response = await fetch(path, ndjson(lines(1_201)));
  expect(response.status).toBe(202);
  const answer = (await response.json()) as { receipts: object[]; positions: object };
  expect(answer).toMatchObject({ accepted: 1_201, duplicates: 0, positions: { "14": 1_201 } });
  expect(answer.receipts).toHaveLength(1_201);
  expect((await stored()).map(({ event }) => JSON.parse(event.data).text)).toEqual(
    Array.from({ length: 1_201 }, (_, index) => `post ${index}`),
  );
});

it("leaves single receipts out past the limit", async () => {
  const { fetch } = await startGateway();
  const response = await fetch(path, ndjson(lines(limits.receiptsPerAnswerMax + 1)));
  const answer = await response.json();
  expect(answer).toMatchObject({ accepted: limits.receiptsPerAnswerMax + 1 });
  expect(answer).not.toHaveProperty("receipts");
});

it("stores nothing of the chunk with a bad line, and tells what came before", async () => {
  const { fetch, stored } = await startGateway();
  const bad = limits.ndjsonChunkLinesMax + 7;
  const body = `${lines(bad)}{"author":"ada"}\n${lines(3)}`;
  const response = await fetch(path, ndjson(body));
  expect([response.status, await response.json()]).toMatchObject([
    422,
    {
      code: "MR_DATA_INVALID",
      accepted: limits.ndjsonChunkLinesMax,
      errors: [{ pointer: `#/${bad}/data/text` }],
    },
  ]);
  expect(await stored()).toHaveLength(limits.ndjsonChunkLinesMax);
});

it("points to a line that is no JSON", async () => {
  const { fetch, stored } = await startGateway();
  const response = await fetch(path, ndjson(`${line(0)}{"author"\n`));
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { code: "MR_JSON_INVALID", accepted: 0, errors: [{ pointer: "#/1" }] },
  ]);
  expect(await stored()).toEqual([]);
});

it("makes a repeated stream with the same key harmless, line by line", async () => {
  const { fetch, stored } = await startGateway();
  const headers = { "idempotency-key": "stream-1" };
  await fetch(path, ndjson(lines(10), headers));
  const repeat = await fetch(path, ndjson(lines(12), headers));
  expect(await repeat.json()).toMatchObject({ accepted: 12, duplicates: 10 });
  expect(await stored()).toHaveLength(12);
});

it("holds one chunk of 100,000 lines at a time, however slow the queue is", async () => {
  const { promise: first, resolve: letGo } = Promise.withResolvers<void>();
  let appended = 0;
  let inFlight = 0;
  let most = 0;
  const producer = {
    async publish(events: readonly Publication[]) {
      inFlight += events.length;
      most = Math.max(most, inFlight);
      await first;
      inFlight -= events.length;
      return events.map(({ event }) => ({
        ...{ id: event.id, partition: 0, position: ++appended },
        ...{ durable: "memory" as const, duplicate: false },
      }));
    },
  };
  const { port } = await startGateway({ producer });
  const headers = { "content-type": "application/x-ndjson" };
  const sending = request({ port, method: "POST", path, headers });
  const answer = new Promise<unknown>((resolve, reject) => {
    sending.on("response", (response) => resolve(readJson(response)));
    sending.on("error", reject);
  });
  // The client hands over everything at once; what the gateway does not take stays with it.
  const padded = `${JSON.stringify({ ...ada, text: "x".repeat(250) })}\n`;
  sending.end(padded.repeat(100_000));
  await vi.waitFor(() => expect(inFlight).toBe(limits.ndjsonChunkLinesMax));
  expect(sending.socket?.writableLength, "the socket is full, the client waits").toBeGreaterThan(0);
  letGo();
  expect(await answer).toMatchObject({ accepted: 100_000, positions: { "0": 100_000 } });
  expect(most).toBe(limits.ndjsonChunkLinesMax);
});

async function chunksOf(pieces: readonly string[]): Promise<string[][]> {
  const left = pieces.map((piece) => Buffer.from(piece));
  const chunks: string[][] = [];
  for await (const chunk of lineChunks(async () => left.shift())) chunks.push(chunk.map(String));
  return chunks;
}

it("cuts lines wherever the pieces end, and passes empty ones over", async () => {
  expect(await chunksOf(["a\nb", "c\r\n", "\n  \n", "d"])).toEqual([["a", "bc\r", "d"]]);
  expect(await chunksOf([])).toEqual([]);
  expect(await chunksOf(["\n"])).toEqual([]);
});

it("makes smaller chunks of long lines, and refuses a line past the limit", async () => {
  const long = `${"x".repeat(limits.bodyBytesMax - 1)}\n`;
  const chunks = await chunksOf([long.repeat(10)]);
  expect(chunks.map(({ length }) => length)).toEqual([5, 5]);
  await expect(chunksOf(["x".repeat(limits.bodyBytesMax), "xx"])).rejects.toMatchObject({
    code: "MR_BODY_TOO_LARGE",
  });
});
