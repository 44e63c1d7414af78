/**
 * What a gateway lets in: its own names only, text that can be stored, a key that means one thing,
 * preferences as their standard says. A real gateway on a socket, over a memory queue.
 */
import { expect, it } from "vitest";
import { ada, json, sendRaw, startGateway } from "./support.ts";

const path = "/events/post.published";

it("stores nothing of a stream whose key was used for something else", async () => {
  const { fetch, stored } = await startGateway();
  const send = (...texts: string[]) =>
    fetch(path, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", "idempotency-key": '"stream"' },
      body: texts.map((text) => JSON.stringify({ ...ada, text })).join("\n"),
    });
  expect((await send("one")).status).toBe(202);
  const other = await send("other", "sneaked");
  expect(other.status).toBe(422);
  expect(await other.json()).toMatchObject({ code: "MR_IDEMPOTENCY_REUSED", accepted: 0 });
  expect(await stored()).toHaveLength(1);
  expect(await (await send("one", "two")).json()).toMatchObject({ accepted: 2, duplicates: 1 });
});

it.each(["\u0000", "\ud800"])("refuses text that no database can store: %j", async (text) => {
  const { fetch, stored } = await startGateway();
  for (const data of [
    { ...ada, text: `a${text}b` },
    { ...ada, [`x${text}`]: 1 },
    { ...ada, author: `a${text}` },
  ]) {
    const answer = await fetch(path, json(data));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  }
  expect(await stored()).toEqual([]);
});

it("answers only to this machine's names where nobody has to show who they are", async () => {
  const { port, stored } = await startGateway({ baseUrl: "https://api.example" });
  const send = (host: string) =>
    sendRaw(
      port,
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${JSON.stringify(ada).length}\r\n\r\n${JSON.stringify(ada)}`,
    );
  for (const host of ["localhost", "127.0.0.1:80", "[::1]:8080", "app.localhost", "api.example"]) {
    expect(await send(host)).toMatch(/^HTTP\/1\.1 202 /);
  }
  for (const host of ["attacker.example", "localhost.attacker.example", "10.0.0.1"]) {
    expect(await send(host)).toMatch(/^HTTP\/1\.1 421 .*MR_HOST_UNKNOWN/s);
  }
  expect(await stored()).toHaveLength(5);
});

it.each([
  ["the first of equal preferences", "wait=0, wait=20", "wait=0"],
  ["spaces around the equals sign", "return = minimal", "return=minimal"],
  ["empty members, and what it does not know", ", foo=1.2.3,, wait=0,", "wait=0"],
  ["parameters, and quoted text with commas", 'wait=0; x="a,b", y="c, wait=9"', "wait=0"],
])("reads Prefer as RFC 7240 says: %s", async (_what, prefer, applied) => {
  const { fetch } = await startGateway();
  const answer = await fetch(path, json(ada, { prefer }));
  expect(answer.headers.get("preference-applied")).toBe(applied);
});
