/** What is read once for many rows is still each event's own. */
import { expect, it } from "vitest";
import { checksum, type EventRow, eventOf } from "../../src/engines/sqlite/queue-rows.ts";
import type { EventAttributes } from "../../src/system/event-record.ts";

function rowOf(position: number, attributes: EventAttributes): EventRow {
  const text = JSON.stringify(attributes);
  const names = ["note.posted", "/test", `id ${position}`, "ada", "2026-01-31T12:00:00Z"] as const;
  const crc = checksum(position, 0, ...names, 0, text, "{}");
  return [position, 0, ...names, 0, crc, text, "{}"];
}

const attributesOf = (row: EventRow) => eventOf(row)?.event.attributes;

it.each<EventAttributes>([{ subject: "one" }, { subject: "one", extensions: { tenant: "a" } }])(
  "gives equal attributes %j to each event anew",
  (attributes) => {
    const [first, second] = [1, 2].map((position) => attributesOf(rowOf(position, attributes)));
    Object.assign(first ?? {}, { subject: "changed" });
    Object.assign(first?.extensions ?? {}, { tenant: "changed" });
    expect(second).toEqual(attributes);
    expect(attributesOf(rowOf(3, attributes))).toEqual(attributes);
  },
);

it("reads other attributes after equal ones, and damage as damage", () => {
  expect(attributesOf(rowOf(1, { subject: "one" }))).toEqual({ subject: "one" });
  expect(attributesOf(rowOf(2, { subject: "two" }))).toEqual({ subject: "two" });
  const damaged = [...rowOf(3, { subject: "two" })] as unknown as [number, number, ...unknown[]];
  damaged[1] = 1;
  expect(eventOf(damaged as unknown as EventRow)).toBeUndefined();
});
