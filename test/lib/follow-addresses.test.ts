/**
 * Names are followed: what stands behind them is looked up again and again, changes are told once,
 * and a name server that is down takes nobody away. Time is turned by hand.
 */
import { expect, it, vi } from "vitest";
import { type Address, formatAddress } from "../../src/lib/address.ts";
import { followAddresses } from "../../src/lib/follow-addresses.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";

it("tells what is behind a name, whenever it changes, and keeps it while nobody can say", async () => {
  const clock = handClock();
  const answers = new Map([["gateways", ["10.0.0.3", "10.0.0.2"]]]);
  const told: string[][] = [];
  let asked = 0;
  const given: Address[] = [
    { host: "gateways", port: 8_081 },
    { host: "10.0.0.9", port: 8_082 },
    { host: "nobody", port: 8_083 },
  ];
  using following = followAddresses(given, {
    clock,
    changed: (found) => told.push(found.map(formatAddress).sort()),
    resolve: async (name) => {
      asked++;
      const found = answers.get(name);
      if (found === undefined) throw new Error("not found");
      return found;
    },
  });
  await following.ready;
  expect(told).toEqual([["10.0.0.2:8081", "10.0.0.3:8081", "10.0.0.9:8082"]]);

  const looksAgain = async () => {
    const before = asked;
    clock.advance(limits.resolveIntervalMs);
    await vi.waitFor(() => expect(asked).toBe(before + 2));
  };
  answers.set("gateways", ["10.0.0.2", "10.0.0.3"]);
  await looksAgain();
  answers.delete("gateways");
  await looksAgain();
  expect(told).toHaveLength(1);

  answers.set("gateways", ["10.0.0.4"]);
  await looksAgain();
  await vi.waitFor(() => expect(told[1]).toEqual(["10.0.0.4:8081", "10.0.0.9:8082"]));
});

it("knows addresses and sockets at once, each once", () => {
  const told: string[][] = [];
  const given: Address[] = [
    { socketPath: "/run/one.sock" },
    { host: "::1", port: 1 },
    { host: "::1", port: 1 },
  ];
  using _following = followAddresses(given, {
    clock: handClock(),
    changed: (found) => told.push(found.map(formatAddress)),
  });
  expect(told).toEqual([["unix:/run/one.sock", "[::1]:1"]]);
});
