/**
 * The configuration that is written for HAProxy, run by the real one in place of the embedded
 * balancer: what two parsers could read differently reaches no gateway, requests are spread evenly,
 * headers are an allow-list, a gateway that is killed costs nobody an answer that can be had
 * elsewhere, and one that drains gets nothing new.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { forwardedHeaders } from "../../src/balancer/forward-headers.ts";
import { haproxyConfig } from "../../src/engines/haproxy/config.ts";
import { limits } from "../../src/lib/limits.ts";
import { exchangeRaw, send, startGateway, type TestGateway } from "../balancer/support.ts";
import { freePort } from "../support/free-port.ts";
import { Haproxy, withoutHaproxy } from "../support/haproxy.ts";
import { refusalRows } from "../support/http-refusal-rows.ts";

async function inFrontOf(gateways: readonly TestGateway[], webhookPaths: readonly string[] = []) {
  const port = await freePort();
  const config = haproxyConfig({
    system: "social",
    listen: { host: "127.0.0.1", port },
    gateways: gateways.map(({ name, address }) => ({ name, address })),
    webhookPaths,
    forwardedHeaders,
    balance: "round-robin",
    connectionsPerAddress: 100,
    drainMs: 1_000,
  });
  return { port, haproxy: await Haproxy.start(config, port) };
}

/** One that takes the whole request and says its name. */
const polite = (name: string) =>
  startGateway(name, (request, response) => {
    request.resume().on("end", () => response.end(name));
  });

async function three() {
  const gateways = await Promise.all(["one", "two", "three"].map(polite));
  const front = await inFrontOf(gateways);
  onTestFinished(async () => {
    await front.haproxy[Symbol.asyncDispose]();
    for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  });
  return { ...front, gateways };
}

/** Where HAProxy is of another mind by itself, harmlessly: whether it sends a request on. */
const otherwise: Readonly<Record<string, boolean>> = {
  // The same one twice it makes one; two different ones it refuses.
  "N1: two Host headers": true,
  // A WebSocket's handshake without its key.
  "N14: Upgrade is a plain request": false,
};

describe.skipIf(withoutHaproxy)(`raw requests through HAProxy (${withoutHaproxy ?? ""})`, () => {
  let gateway: TestGateway;
  let front: Awaited<ReturnType<typeof inFrontOf>>;
  const requests = () => gateway.seen.filter(({ url }) => url !== "/readyz");
  beforeAll(async () => {
    gateway = await polite("one");
    front = await inFrontOf([gateway]);
  });
  afterAll(async () => {
    await front?.haproxy[Symbol.asyncDispose]();
    await gateway?.[Symbol.asyncDispose]();
  });

  it.each(refusalRows)("$name", async ({ name, raw, code }) => {
    const before = requests().length;
    const answer = await exchangeRaw(front.port, raw);
    if (name in otherwise ? otherwise[name] : code === undefined) {
      expect(answer).toMatch(/^HTTP\/1\.1 200 .*one/s);
      expect(requests().length).toBe(before + 1);
      return;
    }
    expect(answer).toMatch(/^(HTTP\/1\.1 (4|5)\d\d |$)/);
    expect(requests().length).toBe(before);
  });

  it("sends on what a gateway knows, and says itself who the client is", async () => {
    await send(front.port, {
      headers: {
        accept: "text/plain",
        "ce-id": "1",
        "x-forwarded-for": "192.0.2.1",
        forwarded: "for=192.0.2.1",
        "millrace-event-id": "1",
        "x-something": "1",
      },
    });
    const { headers } = requests().at(-1) ?? {};
    expect(headers).toMatchObject({ accept: "text/plain", "ce-id": "1" });
    expect(headers?.["x-forwarded-for"]).toBe("127.0.0.1");
    for (const name of ["forwarded", "millrace-event-id", "x-something"]) {
      expect(headers).not.toHaveProperty(name);
    }
  });

  it("refuses a body that is too large before any of it is sent on", async () => {
    const before = requests().length;
    const length = `Content-Length: ${limits.bodyBytesMax + 1}`;
    const raw = `POST /events/a HTTP/1.1\r\nHost: a.test\r\n${length}\r\n\r\n`;
    expect(await exchangeRaw(front.port, raw)).toMatch(/^HTTP\/1\.1 413 .*MR_BODY_TOO_LARGE/s);
    expect(requests().length).toBe(before);
  });
});

describe.skipIf(withoutHaproxy)("gateways behind HAProxy", () => {
  it("spreads requests evenly", async () => {
    const { port } = await three();
    const bodies = [];
    for (let turn = 0; turn < 30; turn++) bodies.push((await send(port)).body);
    for (const name of ["one", "two", "three"]) {
      expect(bodies.filter((body) => body === name)).toHaveLength(10);
    }
  });

  it("loses no request that may be repeated when a gateway breaks off", async () => {
    const broken = await startGateway("broken", (request) => request.socket.destroy());
    const well = await polite("well");
    const { port, haproxy } = await inFrontOf([broken, well]);
    onTestFinished(async () => {
      await haproxy[Symbol.asyncDispose]();
      await Promise.all([broken, well].map((gateway) => gateway[Symbol.asyncDispose]()));
    });
    const publish = { method: "POST", path: "/events/a", body: "{}" };
    for (let turn = 0; turn < 3; turn++) {
      expect((await send(port)).body).toBe("well");
      const keyed = { ...publish, headers: { "idempotency-key": `"${turn}"` } };
      expect((await send(port, keyed)).body).toBe("well");
    }
    // Without a key, twice could mean twice.
    const seen = () => broken.seen.filter(({ method }) => method === "POST").length;
    const before = seen() + well.seen.filter(({ method }) => method === "POST").length;
    await send(port, publish);
    const after = seen() + well.seen.filter(({ method }) => method === "POST").length;
    expect(after - before).toBe(1);
  });

  it("goes on without a gateway that is gone, at once for whoever asks", async () => {
    const { port, gateways } = await three();
    const [gone] = gateways;
    await gone?.[Symbol.asyncDispose]();
    const publish = { method: "POST", path: "/events/a", body: "{}" };
    for (let turn = 0; turn < 20; turn++) expect((await send(port, publish)).status).toBe(200);
  });

  it("sends nothing new to a gateway that drains, and takes it again", async () => {
    const { port, gateways } = await three();
    const [draining] = gateways;
    if (draining === undefined) return;
    draining.readiness = 503;
    const names = async () => {
      const bodies = [];
      for (let turn = 0; turn < 6; turn++) bodies.push((await send(port)).body);
      return bodies;
    };
    await vi.waitFor(async () => expect(await names()).not.toContain("one"), { timeout: 10_000 });
    draining.readiness = 200;
    await vi.waitFor(async () => expect(await names()).toContain("one"), { timeout: 10_000 });
  });

  it("finishes what runs when it is told to stop", async () => {
    const under = Promise.withResolvers<void>();
    const let_ = Promise.withResolvers<void>();
    const slow = await startGateway("slow", async (_request, response) => {
      under.resolve();
      await let_.promise;
      response.end("in the end");
    });
    const { port, haproxy } = await inFrontOf([slow]);
    onTestFinished(async () => {
      await haproxy[Symbol.asyncDispose]();
      await slow[Symbol.asyncDispose]();
    });
    const answer = send(port);
    await under.promise;
    haproxy.drain();
    let_.resolve();
    expect((await answer).body).toBe("in the end");
    await haproxy.ended;
  });
});

it("is what the docs show", () => {
  expect(readFileSync("docs/deploy.md", "utf8")).toContain("millrace deploy haproxy");
});
