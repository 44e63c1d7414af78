/**
 * The verdict on trials, on outcomes made by hand: each promise that the chosen engines break is a
 * finding under its name, one that the embedded engines break is told as theirs, and what is wrong
 * on both in the same way is the application's and only a warning.
 */
import { describe, expect, it } from "vitest";
import { inputSource } from "../../src/trial/publisher.ts";
import type { Outcome } from "../../src/trial/trial.ts";
import { outdatedIn, verdictOn } from "../../src/trial/verdict.ts";

const ids = ["input-1", "input-2", "input-3"];
const event = (id: string) => ({ id, source: inputSource, type: "a", key: "k", isFollowUp: false });
const record = (id: string) => ({
  ...{ id, source: inputSource, type: "a", key: "k" },
  ...{ time: "", data: "{}", attributes: {} },
});

interface Made {
  readonly handled?: readonly string[];
  readonly dead?: readonly string[];
  readonly stale?: string;
  readonly row?: string;
  readonly isSettled?: boolean;
  readonly wrongReceipts?: readonly string[];
}

function outcome(made: Made = {}): Outcome {
  const { handled = ids, dead = [], stale, row = "1", isSettled = true, wrongReceipts = [] } = made;
  return {
    isSettled,
    wrongReceipts,
    repeats: 1,
    events: ids.map(event),
    eventTable: { name: "events", rows: ids.map((id) => ({ id })) },
    workers: new Map([
      [
        "w",
        {
          handled: handled.map((id, at) => ({ ...event(id), place: at + 1 })),
          dead: dead.map((id) => ({ event: record(id), called: id, error: "no" })),
          waiting: [],
          tables: [{ name: "w.t", rows: [{ value: row }] }],
        },
      ],
    ]),
    answers: [
      { name: "w.q", table: { name: "w.q", rows: [] }, ...(stale === undefined ? {} : { stale }) },
    ],
  };
}

const judge = (
  chosen: Made,
  embedded: Made = {},
  again: Made = embedded,
  outdated: ReadonlySet<string> = outdatedIn(outcome(embedded)),
) => {
  const trials = {
    embedded: [outcome(embedded), outcome(again)],
    chosen: outcome(chosen),
    outdated,
  } as const;
  const { checks, warnings } = verdictOn("one by one", trials, () => new Set(["a"]));
  const findings = checks.flatMap(({ name, isSame, findings }) => {
    expect(isSame).toBe(findings.length === 0);
    return findings.map((finding) => `${name}: ${finding}`);
  });
  return { findings, warnings };
};

it("finds nothing where everything is the same", () => {
  expect(judge({})).toEqual({ findings: [], warnings: [] });
});

describe("finds on the chosen engines", () => {
  it.each<[string, Made, string]>([
    ["a lost event", { handled: ["input-1", "input-3"] }, "handled once: chosen: w: 1 lost: k-2"],
    ["a doubled one", { handled: [...ids, "input-3"] }, "handled once: chosen: w: 1 doubled: k-3"],
    ["an invented one", { handled: [...ids, "x"] }, "handled once: chosen: w: 1 invented: x--4"],
    [
      "one out of order",
      { handled: ["input-2", "input-1", "input-3"] },
      "handled once: chosen: w: 1 out of order: k-1",
    ],
    [
      "another order",
      { handled: ["input-2", "input-1", "input-3"] },
      "order per key: w k: input-2 input-1 input-3, embedded input-1 input-2 input-3",
    ],
    [
      "a dead letter",
      { handled: ["input-1", "input-2"], dead: ["input-3"] },
      "dead letters: w: dead letters: only chosen: type a, key k, id input-3",
    ],
    ["another effect", { row: "2" }, "effects: w.t: only chosen: value 2"],
    ["a stale answer", { stale: "1 instead of 2" }, "cache: w.q: 1 instead of 2"],
    ["a second receipt", { wrongReceipts: ["twice"] }, "handled once: chosen: twice"],
    [
      "no rest",
      { isSettled: false },
      "handled once: chosen: it did not come to rest in time; see --patience",
    ],
  ])("%s", (_what, made, finding) => expect(judge(made).findings).toContain(finding));
});

it("does not take a dead letter for a lost event", () => {
  const dead = { handled: ["input-1", "input-2"], dead: ["input-3"] };
  expect(judge(dead, dead)).toEqual({ findings: [], warnings: [] });
});

it("tells what breaks on the embedded engines, too", () => {
  const { findings } = judge({}, { handled: [...ids, "input-1"] });
  expect(findings).toContain("handled once: embedded: w: 1 doubled: k-1");
});

it("warns of what the application does by itself", () => {
  expect(judge({ stale: "1 instead of 2" }, { stale: "1 instead of 3" })).toEqual({
    findings: [],
    warnings: ["out of date in the cache everywhere: w.q"],
  });
  // Out of date there when it was published in another way.
  expect(judge({ stale: "1 instead of 2" }, {}, {}, new Set(["w.q"]))).toEqual({
    findings: [],
    warnings: ["out of date in the cache everywhere: w.q"],
  });
  expect(judge({ row: "3" }, { row: "1" }, { row: "2" })).toEqual({
    findings: [],
    warnings: ["not compared: w.t: value, which differs between two embedded trials"],
  });
});
