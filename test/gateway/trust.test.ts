/**
 * Whom a gateway on a network believes: the balancer by the secret, a proxy by its address, and
 * nobody else at all. Proven at a gateway that listens, and for chains of proxies.
 */
import type { IncomingMessage } from "node:http";
import { expect, it } from "vitest";
import { networkTrust } from "../../src/gateway/trust.ts";
import { peerToken } from "../../src/lib/http/peer-token.ts";
import { ada, json, startGateway } from "./support.ts";

const path = "/events/post.published";
const secret = "0123456789abcdef0123456789abcdef";
const token = peerToken(secret, "gateway");
const stamped = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee";
const stamp = { "millrace-event-id": stamped };

it("believes its balancer, and refuses everybody else", async () => {
  const { fetch } = await startGateway({ trustProxy: networkTrust({ token, proxies: [] }) });
  const own = { ...stamp, "millrace-peer": `${token}` };
  expect(await (await fetch(path, json(ada, own))).json()).toMatchObject({ id: stamped });

  const wrong = [
    {},
    { "millrace-peer": "" },
    { "millrace-peer": secret },
    { "millrace-peer": `${peerToken(secret, "worker")}` },
    { "millrace-peer": `${token}`.slice(1) },
  ];
  for (const headers of wrong) {
    const answer = await fetch(path, json(ada, { ...stamp, ...headers }));
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: "MR_PEER_UNKNOWN" });
    expect((await fetch("/nowhere", { headers })).status).toBe(403);
    expect((await fetch("/readyz", { headers })).status).toBe(200);
  }
});

it("believes a proxy the client's address, and not the event's id", async () => {
  const rateLimits = { requests: 2, windowSeconds: 60 };
  const trustProxy = networkTrust({ token: undefined, proxies: ["127.0.0.0/8"] });
  const { fetch } = await startGateway({ trustProxy, rateLimits });
  const publish = (address: string) =>
    fetch(path, json(ada, { ...stamp, "x-forwarded-for": address }));
  const answers = [await publish("192.0.2.1"), await publish("192.0.2.1")];
  for (const answer of answers) {
    expect(answer.status).toBe(202);
    expect(await answer.json()).not.toMatchObject({ id: stamped });
  }
  expect((await publish("192.0.2.1")).status).toBe(429);
  expect((await publish("192.0.2.1, 192.0.2.2")).status, "the last one counts").toBe(202);
});

it.each([
  ["203.0.113.5", "203.0.113.5"],
  ["1.2.3.4, 203.0.113.5", "203.0.113.5"],
  ["1.2.3.4, 203.0.113.5, 10.0.0.8", "203.0.113.5"],
  ["10.0.0.8", "10.0.0.8"],
])("of the chain %s it takes %s", (forwarded, client) => {
  const trustOf = networkTrust({ token, proxies: ["10.0.0.0/24", "fd00::/8"] });
  for (const remoteAddress of ["10.0.0.9", "::ffff:10.0.0.9", "fd00::1"]) {
    const request = { headers: {}, socket: { remoteAddress }, url: "/" };
    const trust = trustOf(request as unknown as IncomingMessage);
    expect(trust.address(forwarded)).toBe(client);
  }
});

it("without secret and proxies, takes whoever asks for a client", async () => {
  const trustProxy = networkTrust({ token: undefined, proxies: [] });
  const { fetch } = await startGateway({ trustProxy });
  const answer = await fetch(path, json(ada, stamp));
  expect(answer.status).toBe(202);
  expect(await answer.json()).not.toMatchObject({ id: stamped });
});
