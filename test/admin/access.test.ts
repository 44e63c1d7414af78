/**
 * Who may call the admin port, and from where: hosts, pages of others, keys and their scopes, and
 * the limits of what is sent.
 */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import type { Client } from "../../src/gateway/auth/client.ts";
import { limits } from "../../src/lib/limits.ts";
import { openPort, raw } from "./support.ts";

/** Every address, each with a method that it takes. */
const addresses = [
  ["GET", "/dead-letters"],
  ["GET", "/dead-letters/groups"],
  ["GET", "/dead-letters/counter/x"],
  ["POST", "/dead-letters/counter/x/retry"],
  ["POST", "/dead-letters/counter/x/discard"],
  ["POST", "/dead-letters/counter/x/dry-run"],
  ["PUT", "/dead-letters/counter/x/data"],
  ["POST", "/dead-letters/retry"],
  ["POST", "/dead-letters/discard"],
  ["GET", "/queue"],
  ["GET", "/queue/counter"],
  ["POST", "/queue/counter/pause"],
  ["POST", "/queue/counter/resume"],
  ["POST", "/queue/counter/skip"],
  ["GET", "/audit"],
  ["GET", "/nowhere"],
] as const;
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const json = { "content-type": "application/json" };

it("answers only to this machine's own names where nobody has to show who they are", async () => {
  const port = await openPort();
  for (const [, path] of addresses) {
    for (const method of methods) {
      const { status, json: problem } = await raw(port.url + path, method, {
        host: "evil.example",
      });
      expect(status, `${method} ${path}`).toBe(421);
      if (method !== "HEAD") expect(problem.code).toBe("MR_HOST_UNKNOWN");
    }
  }
  for (const host of ["localhost", "127.0.0.1:8090", "[::1]:8090", "admin.localhost:1"]) {
    expect((await raw(`${port.url}/queue`, "GET", { host })).status, host).toBe(200);
  }
});

it("hears no page of another origin, whatever it asks", async () => {
  const port = await openPort();
  const { host } = new URL(port.url);
  const foreign: Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://127.0.0.1:1" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", origin: `http://${host}` },
  ];
  for (const headers of foreign) {
    for (const [, path] of addresses) {
      for (const method of methods) {
        const { status, json: problem } = await raw(port.url + path, method, headers);
        expect(status, `${method} ${path} ${JSON.stringify(headers)}`).toBe(403);
        if (method !== "HEAD") expect(problem.code).toBe("MR_CROSS_SITE");
      }
    }
  }
  const own = { origin: `http://${host}`, "sec-fetch-site": "same-origin" };
  expect((await raw(`${port.url}/queue`, "GET", own)).status).toBe(200);
  expect((await raw(`${port.url}/queue/counter/pause`, "POST", { ...own, ...json })).status).toBe(
    200,
  );
});

it("asks for JSON wherever something is changed, so that no form can send it", async () => {
  const port = await openPort();
  const types = [
    undefined,
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json x",
  ];
  for (const [method, path] of addresses.filter(([method]) => method !== "GET")) {
    for (const type of types) {
      const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
      const refused = await raw(port.url + path, method, headers);
      expect(refused, `${method} ${path} ${type}`).toMatchObject({
        status: 415,
        json: { code: "MR_MEDIA_TYPE" },
      });
    }
  }
  const zipped = await port.send("POST", "/queue/counter/pause", "{}", {
    ...json,
    "content-encoding": "gzip",
  });
  expect(zipped).toMatchObject({ status: 415 });
  expect((await port.get("/queue")).json.workers[0].pausedPartitions).toBe(0);
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

it("asks who it is on every address but those of probes, and what each may do", async () => {
  const clients: Record<string, Client> = {
    mr_reads: { id: "reads", scopes: new Set(["admin:read"]) },
    mr_changes: { id: "changes", scopes: new Set(["admin:change:counter"]) },
    mr_other: { id: "other", scopes: new Set(["admin:read:other", "events:read"]) },
    mr_all: { id: "all", scopes: new Set(["*"]) },
  };
  const keys = { verify: (token: string) => clients[token] };
  const port = await openPort({ auth: { mode: "required", keys } });
  for (const [method, path] of addresses) {
    const answer = await raw(port.url + path, method, {});
    expect(answer, path).toMatchObject({ status: 401, json: { code: "MR_UNAUTHENTICATED" } });
    expect((await raw(port.url + path, method, bearer("mr_wrong"))).status).toBe(401);
  }
  expect((await port.get("/queue")).headers.get("www-authenticate")).toBe("Bearer");
  const status = async (token: string, method: string, path: string, body?: unknown) =>
    (await port.send(method, path, body, { ...bearer(token), ...json })).status;
  expect(await status("mr_reads", "GET", "/queue")).toBe(200);
  expect(await status("mr_reads", "GET", "/dead-letters/counter/x")).toBe(404);
  expect(await status("mr_reads", "POST", "/queue/counter/pause", {})).toBe(403);
  expect(await status("mr_reads", "POST", "/dead-letters/retry", { all: true })).toBe(403);
  expect(await status("mr_reads", "POST", "/dead-letters/counter/x/dry-run", {})).toBe(403);
  expect(await status("mr_changes", "GET", "/queue/counter")).toBe(403);
  expect(await status("mr_changes", "POST", "/queue/counter/resume", {})).toBe(200);
  expect(await status("mr_changes", "POST", "/dead-letters/retry", { all: true })).toBe(403);
  expect(await status("mr_changes", "POST", "/dead-letters/retry", { worker: "counter" })).toBe(
    200,
  );
  expect(await status("mr_other", "GET", "/queue/counter")).toBe(403);
  expect(await status("mr_other", "GET", "/dead-letters?worker=counter")).toBe(403);
  expect(await status("mr_all", "GET", "/dead-letters?worker=counter")).toBe(200);
  // A key that is asked for is no page's to send, so the host's name does not matter.
  const named = { host: "admin.example", ...bearer("mr_all") };
  expect((await raw(`${port.url}/queue`, "GET", named)).status).toBe(200);
});

it("answers probes without a key and under any name, and pages of problems", async () => {
  const port = await openPort({ auth: { mode: "required" } });
  for (const path of ["/livez", "/readyz"]) {
    const probe = { host: "10.0.0.7:8090" };
    expect(await raw(port.url + path, "GET", probe)).toEqual({
      status: 200,
      json: { status: "pass" },
    });
    expect((await raw(port.url + path, "HEAD", probe)).status).toBe(200);
    expect((await raw(port.url + path, "POST", probe)).status).toBe(401);
  }
  expect((await port.get("/problems/filter-missing")).text).toContain("MR_FILTER_MISSING");
});

it("lets nothing be kept or guessed at, in answers and refusals alike", async () => {
  const port = await openPort();
  for (const path of ["/queue", "/dead-letters", "/nowhere", "/livez", "/problems/not-found"]) {
    const { headers } = await port.get(path);
    expect(headers.get("x-content-type-options"), path).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  }
  const head = await port.get("/queue");
  const same = await fetch(`${port.url}/queue`, { method: "HEAD" });
  expect(same.headers.get("content-length")).toBe(head.headers.get("content-length"));
});

it("bounds what is sent, by its word and by its bytes", async () => {
  const port = await openPort();
  const large = `{"key":"${"a".repeat(limits.bodyBytesMax)}"}`;
  expect(await port.send("POST", "/dead-letters/retry", large)).toMatchObject({
    status: 413,
    json: { code: "MR_BODY_TOO_LARGE" },
  });
  const streamed = await fetch(`${port.url}/dead-letters/retry`, {
    method: "POST",
    headers: json,
    body: new Blob([large]).stream(),
    duplex: "half",
  } as RequestInit);
  expect(streamed.status).toBe(413);
  const socket = connect(Number(new URL(port.url).port), "127.0.0.1");
  socket.end("GET /queue HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n");
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /);
});

it("stops in the middle of many changes, and tells how far it came", async () => {
  const port = await openPort();
  await port.bury("a", -1, -2, -3);
  const changing = port.send("POST", "/dead-letters/discard", { key: "a", rate: 1 });
  await vi.waitFor(async () => expect(await port.letters.count({})).toBe(2));
  await port.stop();
  expect(await changing).toMatchObject({ status: 503, json: { code: "MR_DRAINING", count: 1 } });
  expect(await port.letters.count({})).toBe(2);
});
