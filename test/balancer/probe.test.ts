/** How often a gateway is asked whether it is ready. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { Probe } from "../../src/balancer/probe.ts";
import type { Readiness } from "../../src/lib/http/readiness.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";

test("leaves most probes out at rest, and none otherwise", async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const clock = handClock();
  const found: Readiness[] = [];
  let isAtRest = false;
  const { address: host, port } = server.address() as AddressInfo;
  using _probe = new Probe(
    { host, port },
    {
      ...{ clock, intervalMs: 500, timeoutMs: 1_000, isAtRest: () => isAtRest },
      found: (result) => found.push(result),
    },
  );
  const turns = async (count: number) => {
    const before = found.length;
    for (let turn = 0; turn < count; turn++) clock.advance(500);
    await vi.waitFor(() => expect(found.length).toBeGreaterThan(before));
  };
  await turns(1);
  isAtRest = true;
  await turns(limits.probesLeftOutMax + 1);
  await turns(limits.probesLeftOutMax + 1);
  expect(asked).toBe(3);
  isAtRest = false;
  await turns(1);
  await turns(1);
  expect(asked).toBe(5);
  expect(new Set(found)).toEqual(new Set(["ready"]));
  server.close();
});
