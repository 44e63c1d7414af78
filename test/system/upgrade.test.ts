/** Data of earlier versions: brought up to date step by step, and refused where they cannot be. */
import { defineEvent, defineSystem } from "millrace";
import { expect, it } from "vitest";
import { z } from "zod";
import { readData } from "../../src/system/event-data.ts";
import type { EventRecord } from "../../src/system/event-record.ts";
import { makeEvent } from "../../src/system/make-event.ts";

const Renamed = defineEvent("person.renamed", {
  data: z.object({ first: z.string(), last: z.string(), isFormal: z.boolean() }),
  key: ({ last }) => last,
  version: 3,
  upgrade: {
    1: ({ name }: { name: string }) => {
      const [first, last] = name.split(" ");
      return { first, last };
    },
    2: (data: { first: string; last: string }) => ({ ...data, isFormal: false }),
  },
});

const record = (data: unknown, version?: number): EventRecord => ({
  id: "1",
  source: "/test",
  type: "person.renamed",
  key: "Lovelace",
  time: "2026-01-01T00:00:00Z",
  data: JSON.stringify(data),
  attributes: version === undefined ? {} : { version },
});

const ada = { first: "Ada", last: "Lovelace" };

it.each([
  ["without a version", record({ name: "Ada Lovelace" }), { ...ada, isFormal: false }],
  ["of version 2", record(ada, 2), { ...ada, isFormal: false }],
  ["of today", record({ ...ada, isFormal: true }, 3), { ...ada, isFormal: true }],
])("reads data %s", async (_what, event, data) => {
  expect(await readData(Renamed, event)).toEqual(data);
});

it.each([
  ["data that even its upgrades leave unfit", record({ name: "Ada" }), "MR_DATA_INVALID", /schema/],
  ["data on which an upgrade breaks", record({}), "MR_DATA_INVALID", /from version 1 failed/],
  ["data of a later version", record(ada, 4), "MR_DATA_VERSION", /version 4.*knows 3/],
])("refuses %s", (_what, event, code, message) => {
  expect(() => readData(Renamed, event)).toThrow(expect.objectContaining({ code }));
  expect(() => readData(Renamed, event)).toThrow(message);
});

it("stamps what it makes with today's version, whatever it was before", async () => {
  const parts = { id: "1", source: "/test", time: "2026-01-01T00:00:00Z" };
  const data = { ...ada, isFormal: true };
  const made = await makeEvent(Renamed, data, { ...parts, attributes: { version: 1 } });
  expect(made.attributes).toEqual({ version: 3 });
  const Plain = defineEvent("thing.done", { data: z.object({}), key: () => "k" });
  const plain = await makeEvent(Plain, {}, { ...parts, attributes: { version: 3, cause: "2" } });
  expect(plain.attributes).toEqual({ cause: "2" });
});

it.each([
  ["a version that is none", { version: 1.5 }, /`version` 1.5/],
  ["a gap among the steps", { version: 3, upgrade: { 1: () => ({}) } }, /no `upgrade` from 2/],
  ["a step that leads nowhere", { version: 1, upgrade: { 1: () => ({}) } }, /upgrades from 1, and/],
])("finds %s at start", (_what, options, message) => {
  const event = defineEvent("thing.done", { data: z.object({}), key: () => "k", ...options });
  expect(() => defineSystem("test", { accepts: [event], workers: [] })).toThrow(message);
});
