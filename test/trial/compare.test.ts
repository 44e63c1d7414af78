/**
 * What makes a comparison of trials fair, on plain tables: rows count as often as they are there,
 * in any order; a value is the same however an engine writes it; what two equal trials do
 * differently is left out and named; follow-ups are known by what they follow from. And that
 * nothing more is forgiven than that.
 */
import { describe, expect, it } from "vitest";
import { derivedId } from "../../src/lib/ids.ts";
import type { QueuedEvent } from "../../src/queue/engine.ts";
import { compareTables } from "../../src/trial/compare.ts";
import { eventTable, renamingOf } from "../../src/trial/queue-log.ts";
import { answerTable, type Row, type Table, textOf } from "../../src/trial/table.ts";

const table = (...rows: readonly Row[]): Table => ({ name: "t", rows });
const compare = (one: Table, other: Table, chosen: Table) =>
  compareTables([[one], [other]], [chosen]);

describe("tables", () => {
  const a = { id: "1", text: "a" };
  const b = { id: "2", text: "b" };

  it("are the same in any order of their rows", () => {
    const { differences, unrepeatable, rows } = compare(table(a, b), table(b, a), table(b, a));
    expect({ differences, unrepeatable, rows }).toEqual({
      differences: [],
      unrepeatable: [],
      rows: 2,
    });
  });

  it.each([
    ["a row less", table(a), { embedded: [b], chosen: [] }],
    ["a row more", table(a, b, b), { embedded: [], chosen: [b] }],
    [
      "another value",
      table(a, { ...b, text: "c" }),
      { embedded: [b], chosen: [{ ...b, text: "c" }] },
    ],
    [
      "a column more",
      table(a, { ...b, more: "1" }),
      { embedded: [b], chosen: [{ ...b, more: "1" }] },
    ],
    ["no table at all", undefined, { embedded: [a, b], chosen: [] }],
  ])("differ by %s", (_what, chosen, difference) => {
    const embedded = [table(a, b)];
    const found = compareTables([embedded, embedded], chosen === undefined ? [] : [chosen]);
    expect(found.differences).toEqual([{ table: "t", ...difference }]);
  });

  it("differ where only the chosen engine has them", () => {
    const { differences } = compareTables([[], []], [table(a)]);
    expect(differences).toEqual([{ table: "t", embedded: [], chosen: [a] }]);
  });

  it("leave out the column that differs between two equal trials, and nothing else", () => {
    const at = (row: Row, time: string) => ({ ...row, time });
    const [one, other] = [table(at(a, "1"), at(b, "2")), table(at(a, "3"), at(b, "4"))];
    const same = compare(one, other, table(at(a, "5"), at(b, "6")));
    expect(same).toMatchObject({ differences: [], unrepeatable: ["t: time"] });
    const { differences } = compare(one, other, table(at(a, "5"), at({ ...b, text: "c" }, "6")));
    expect(differences).toHaveLength(1);
  });

  it.each([
    ["their number", table(a), table(a, b)],
    ["which values stand together", table(a, b), table({ ...a, text: "b" }, { ...b, text: "a" })],
  ])("leave out everything where two equal trials differ in %s", (_what, one, other) => {
    const { differences, unrepeatable } = compare(one, other, table());
    expect({ differences, unrepeatable }).toEqual({
      differences: [],
      unrepeatable: ["t: its rows"],
    });
  });

  it("leave out numbers that a database hands out, on whichever engine it does", () => {
    const chosen = { ...table({ ...a, id: "7" }, { ...b, id: "9" }), handedOut: ["id"] };
    expect(compare(table(a, b), table(a, b), chosen).differences).toEqual([]);
  });
});

describe("values", () => {
  const same = (text: string) => text;

  it.each([
    ["2026-01-01T00:00:00Z", "2026-01-01 01:00:00.000+01:00"],
    ['{"b": 1, "a": [2]}', '{"a":[2],"b":1}'],
    [{ b: "2026-01-01T00:00:00Z" }, '{"b":"2026-01-01T00:00:00.000Z"}'],
    [new Uint8Array([1, 2]), Buffer.from([1, 2])],
    [null, undefined],
  ] as const)("%j is %j", (one, other) => expect(textOf(one, same)).toBe(textOf(other, same)));

  it("that are numbers are the same whether they are large", () =>
    expect(textOf(1n, same)).toBe(textOf(1, same)));

  it.each([
    ["1", 1],
    ["null", null],
    ["", null],
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z"],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ["{", "{ "],
  ])("%j is not %j", (one, other) => expect(textOf(one, same)).not.toBe(textOf(other, same)));

  it("of an answer are its members, and of a list its items in their order", () => {
    expect(answerTable("q", { a: 1 }, same).rows).toEqual([{ a: "1" }]);
    expect(answerTable("q", [{ a: 1 }, 2], same).rows).toEqual([
      { "#": "0", a: "1" },
      { "#": "1", value: "2" },
    ]);
  });
});

describe("follow-ups", () => {
  /** An input, a follow-up of it, and one of that, as they are when it was accepted at a time. */
  function logAt(acceptedAt: number): QueuedEvent[] {
    const event = (id: string, data: object, source: string, cause?: string, depth = 0) => ({
      partition: 0,
      position: depth + 1,
      acceptedAt,
      event: {
        ...{ id, source, type: `step.${depth}`, key: "k", data: JSON.stringify(data) },
        time: new Date(depth === 0 ? 0 : acceptedAt + depth).toISOString(),
        attributes: cause === undefined ? {} : { cause, depth },
      },
    });
    const first = derivedId(acceptedAt, "/s/a", "input-1");
    const second = derivedId(acceptedAt, "/s/b", first);
    // Read in another order than that of cause and effect: they are in different partitions.
    return [
      event(second, { of: first }, "/s/b", first, 2),
      event("input-1", {}, "/trial"),
      event(first, { at: new Date(acceptedAt + 1).toISOString() }, "/s/a", "input-1", 1),
    ];
  }

  it("have the same names whenever their cause was accepted, also inside of texts", () => {
    const [early, late] = [logAt(1_700_000_000_000), logAt(1_800_000_000_000)];
    const [one, other] = [renamingOf(early), renamingOf(late)];
    expect(eventTable(early, one)).toEqual(eventTable(late, other));
    const [{ event } = { event: { id: "" } }] = late;
    expect(other(`see ${event.id}`)).toBe(
      "see follow-up 1 of follow-up 1 of input-1 by /s/a by /s/b",
    );
    expect(one(`see ${event.id}`)).toBe(`see ${event.id}`);
  });
});
