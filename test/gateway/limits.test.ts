/**
 * Quotas and overload: who is counted, what the answers tell, and that nothing is stored beyond.
 */

import { fastify } from "fastify";
import { parseList } from "structured-headers";
import { expect, it, onTestFinished } from "vitest";
import { createGuard } from "../../src/gateway/guard.ts";
import { addressGroup } from "../../src/gateway/rate-limit.ts";
import { InFlight } from "../../src/lib/http/in-flight.ts";
import { limits } from "../../src/lib/limits.ts";
import { ada, json, sendRaw, startGateway } from "./support.ts";

const path = "/events/post.published";
const rateLimits = { requests: 2, windowSeconds: 60 };

it("tells the quota with every answer, and refuses past it before the body", async () => {
  const { fetch, port, stored } = await startGateway({ rateLimits });
  for (const remaining of [1, 0]) {
    const response = await fetch(path, json(ada));
    expect(response.status).toBe(202);
    expect(response.headers.get("ratelimit-policy")).toBe('"default";q=2;w=60');
    const [item] = parseList(response.headers.get("ratelimit") ?? "");
    expect(item?.[0]).toBe("default");
    expect(item?.[1]).toEqual(
      new Map([
        ["r", remaining],
        ["t", expect.any(Number)],
      ]),
    );
  }
  const refused = await fetch(path, json(ada));
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({
    type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
    code: "MR_RATE_LIMITED",
    "violated-policies": ["default"],
  });
  const retryAfter = Number(refused.headers.get("retry-after"));
  expect(retryAfter).toBeGreaterThan(50);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect(await stored()).toHaveLength(2);
  // The body never comes; the answer does.
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  const early = await sendRaw(port, `${head}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`);
  expect(early).toMatch(/^HTTP\/1.1 429 /);
});

it("counts each client for itself, and who guesses keys by address", async () => {
  const client = (id: string) => ({ id, scopes: new Set(["*"]) });
  const keys = { verify: (token: string) => (token === "mr_bad" ? undefined : client(token)) };
  const { fetch } = await startGateway({ rateLimits, auth: { mode: "required", keys } });
  const statuses = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const responses = [1, 2, 3].map(() => fetch("/timelines/home?user=a", { headers }));
    return (await Promise.all(responses)).map(({ status }) => status).sort();
  };
  expect(await statuses("mr_one")).toEqual([200, 200, 429]);
  expect(await statuses("mr_two")).toEqual([200, 200, 429]);
  expect(await statuses("mr_bad")).toEqual([401, 401, 429]);
});

it("believes a forwarded address only from a proxy of ours", async () => {
  const statuses = async (trustProxy: boolean, addresses: string[]) => {
    const { fetch } = await startGateway({ rateLimits, trustProxy });
    const found: number[] = [];
    for (const address of addresses) {
      const headers = { "x-forwarded-for": address };
      found.push((await fetch("/timelines/home?user=a", { headers })).status);
    }
    return found;
  };
  const three = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
  expect(await statuses(false, three)).toEqual([200, 200, 429]);
  expect(await statuses(true, three)).toEqual([200, 200, 200]);
  const spoofed = three.map((address) => `${address}, 198.51.100.7`);
  expect(await statuses(true, spoofed), "the proxy's word is the last").toEqual([200, 200, 429]);
});

it("leaves probes uncounted", async () => {
  const { fetch } = await startGateway({ rateLimits });
  for (let count = 0; count < 5; count++) expect((await fetch("/readyz")).status).toBe(200);
});

it.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
])("counts %s as %s", (address, group) => {
  expect(addressGroup(address)).toBe(group);
});

it("says 503 while too many requests are under way", async () => {
  const inFlight = new InFlight();
  inFlight.count = limits.requestsInFlightMax + 1;
  const guard = createGuard({ auth: { mode: "open" }, limiter: undefined, inFlight });
  const app = fastify();
  app.get("/", { onRequest: guard.open }, async () => "");
  onTestFinished(() => app.close());
  const answer = await app.inject("/");
  expect([answer.statusCode, answer.json()]).toMatchObject([503, { code: "MR_OVERLOADED" }]);
});
