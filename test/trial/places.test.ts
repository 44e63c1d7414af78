/**
 * Whatever an address says about names, a trial has names of its own on the server, and everything
 * else of the address stays as it is; no password is told.
 */
import { expect, it } from "vitest";
import { parseNatsAddress } from "../../src/engines/nats/address.ts";
import { parseAddress } from "../../src/engines/postgres/server.ts";
import { placesOn } from "../../src/trial/places.ts";
import { handClock } from "../support/hand-clock.ts";

const name = "millrace-trial-0123456789ab";
const prefix = "millrace_trial_0123456789ab";
const placesOf = (chosen: Parameters<typeof placesOn>[0]) => placesOn(chosen, name, handClock());

it.each([
  "nats://one:4222,two:4222?monitor=1,2&replicas=3",
  "nats://user:secret@one,two?stream=shop&monitor=1,2&replicas=3",
  "tls://one,two?monitor=1,2&stream=millrace&replicas=3",
])("a stream of its own: %s", (queue) => {
  const { environment, says } = placesOf({ queue });
  const given = parseNatsAddress(queue);
  const { bytesMax, ...place } = parseNatsAddress(environment.MILLRACE_QUEUE ?? "");
  // A small one, which fits beside the streams that are there.
  expect(bytesMax).toBeLessThan(given.bytesMax / 10);
  expect({ ...place, bytesMax: given.bytesMax }).toEqual({ ...given, stream: name });
  expect(says.join()).not.toContain("secret");
});

it.each([
  "postgres://user:secret@host:5433/shop",
  "postgres://user:secret@host:5433/shop?schema=shop&sslmode=require",
])("schemas of its own, for databases and for a queue: %s", (url) => {
  const { environment, says } = placesOf({ queue: url, database: url });
  const given = parseAddress(url);
  for (const variable of ["MILLRACE_QUEUE", "MILLRACE_DATABASE"]) {
    expect(parseAddress(environment[variable] ?? "")).toEqual({ ...given, prefix });
  }
  expect(says.join()).not.toContain("secret");
});

it("leaves engines embedded that are not named", () => {
  expect(placesOf({}).environment).toEqual({});
  expect(Object.keys(placesOf({ cache: "redis://host" }).environment)).toEqual(["MILLRACE_CACHE"]);
});
