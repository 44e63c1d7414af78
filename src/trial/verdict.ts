import { type Comparison, compareTables, type Difference } from "./compare.ts";
import { brokenPromises, inputOrder } from "./promises.ts";
import type { Row, Table } from "./table.ts";
import type { Outcome, Way } from "./trial.ts";

/** Two equal trials on the embedded engines, and one on the chosen ones. */
export interface Trials {
  readonly embedded: readonly [Outcome, Outcome];
  readonly chosen: Outcome;
  /** Answers that are out of date on the embedded engines, in this way of publishing or another. */
  readonly outdated: ReadonlySet<string>;
}

export interface Check {
  readonly way: Way;
  /** `effects`, `order per key`, … */
  readonly name: string;
  readonly isSame: boolean;
  /** How much was compared, in words. */
  readonly compared: string;
  /** What is not as it must be, a sentence each. */
  readonly findings: readonly string[];
}

export interface Verdict {
  readonly checks: readonly Check[];
  /** What was not compared, or is wrong on the embedded engines, too. */
  readonly warnings: readonly string[];
}

/** What is told of one table at most. */
const rowsShownMax = 3;

export function verdictOn(
  way: Way,
  { embedded, chosen, outdated }: Trials,
  typesOf: (worker: string) => ReadonlySet<string>,
): Verdict {
  const compare = (tablesOf: (outcome: Outcome) => readonly Table[]) =>
    compareTables([tablesOf(embedded[0]), tablesOf(embedded[1])], tablesOf(chosen));
  const effects = compare(({ workers }) => [...workers.values()].flatMap(({ tables }) => tables));
  const events = compare(({ eventTable }) => [eventTable]);
  const dead = compare(deadLetters);
  // Lists are often ordered by when something was accepted, which here is another moment each time.
  const answers = compare(({ answers }) =>
    way === "one by one" ? answers.map(({ table }) => table) : [],
  );
  const compared: readonly (readonly [string, Comparison, string])[] = [
    ["events", events, `${events.rows} on the queue, follow-ups included`],
    ["effects", effects, `${effects.rows} rows`],
    ["dead letters", dead, String(dead.rows)],
    ...(way === "one by one" ? [["answers", answers, String(chosen.answers.length)] as const] : []),
  ];
  return {
    checks: [
      promiseCheck(way, embedded, chosen, typesOf),
      orderCheck(way, embedded[0], chosen),
      ...compared.map(([name, { differences }, what]) => {
        const findings = differences.flatMap(told);
        return { way, name, isSame: findings.length === 0, compared: what, findings };
      }),
      cacheCheck(way, outdated, chosen),
    ],
    warnings: [
      ...compared
        .flatMap(([, { unrepeatable }]) => unrepeatable)
        .map((what) => `not compared: ${what}, which differs between two embedded trials`),
      ...[...outdatedIn(chosen)]
        .filter((name) => outdated.has(name))
        .map((name) => `out of date in the cache everywhere: ${name}`),
    ],
  };
}

/** What is promised holds in each trial by itself; where it does not, nothing else counts. */
function promiseCheck(
  way: Way,
  embedded: Trials["embedded"],
  chosen: Outcome,
  typesOf: (worker: string) => ReadonlySet<string>,
): Check {
  const findings = [
    ...embedded
      .flatMap((outcome) => brokenPromises(outcome, typesOf))
      .map((one) => `embedded: ${one}`),
    ...brokenPromises(chosen, typesOf).map((one) => `chosen: ${one}`),
  ];
  const handled = [...chosen.workers].map(([name, effects]) => `${name} ${effects.handled.length}`);
  const compared = `${handled.join(", ")}; ${chosen.repeats} published again`;
  return { way, name: "handled once", isSame: findings.length === 0, compared, findings };
}

function orderCheck(way: Way, embedded: Outcome, chosen: Outcome): Check {
  const [one, other] = [inputOrder(embedded), inputOrder(chosen)];
  const findings = [...new Set([...one.keys(), ...other.keys()])]
    .filter((name) => one.get(name) !== other.get(name))
    .map((name) => `${name}: ${other.get(name) ?? "none"}, embedded ${one.get(name) ?? "none"}`);
  const compared = `${one.size} keys`;
  return { way, name: "order per key", isSame: findings.length === 0, compared, findings };
}

/** Engines tell the same mistake in different words, so the errors are not compared. */
const deadLetters = ({ workers }: Outcome): Table[] =>
  [...workers].map(([worker, { dead }]) => ({
    name: `${worker}: dead letters`,
    rows: dead.map(({ event: { type, key }, called }): Row => ({ type, key, id: called })),
  }));

/** What is out of date everywhere is the application's doing: it does not touch what it changes. */
function cacheCheck(way: Way, outdated: ReadonlySet<string>, chosen: Outcome): Check {
  const findings = chosen.answers
    .filter(({ name, stale }) => stale !== undefined && !outdated.has(name))
    .map(({ name, stale }) => `${name}: ${stale}`);
  const compared = `${chosen.answers.length} answers, through the cache and without it`;
  return { way, name: "cache", isSame: findings.length === 0, compared, findings };
}

/** Answers that are not what the database says. */
export const outdatedIn = ({ answers }: Outcome): ReadonlySet<string> =>
  new Set(answers.filter(({ stale }) => stale !== undefined).map(({ name }) => name));

function told({ table, embedded, chosen }: Difference): string[] {
  const rows = (which: string, list: readonly Row[]) => [
    ...list.slice(0, rowsShownMax).map((row) => `${table}: only ${which}: ${textOf(row)}`),
    ...(list.length > rowsShownMax
      ? [`${table}: only ${which}: ${list.length - rowsShownMax} more`]
      : []),
  ];
  return [...rows("embedded", embedded), ...rows("chosen", chosen)];
}

const textOf = (row: Row): string =>
  Object.entries(row)
    .map(([column, value]) => `${column} ${value}`)
    .join(", ");
