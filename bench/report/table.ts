import { median, spread } from "../measure/statistics.ts";
import type { Run } from "../run.ts";
import { type Bar, type Judged, judge } from "./ratios.ts";

/** A table of text, or of Markdown: the first column to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[], kind: "text" | "markdown"): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    // A rule of Markdown needs two letters: one for the line, one for the side.
    Math.max(kind === "text" ? 0 : 2, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const cells = (row: readonly string[]) =>
    widths.map((width, column) => {
      const text = row[column] ?? "";
      return column === 0 ? text.padEnd(width) : text.padStart(width);
    });
  if (kind === "text") return rows.map((row) => cells(row).join("  ").trimEnd()).join("\n");
  const line = (row: readonly string[]) => `| ${cells(row).join(" | ")} |`;
  const rule = widths.map((width, at) =>
    at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  const [head = [], ...body] = rows;
  return [line(head), `| ${rule.join(" | ")} |`, ...body.map(line)].join("\n");
}

export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}

const withUnit = (value: number | undefined, unit = ""): string =>
  `${number(value)}${value === undefined || unit === "" ? "" : ` ${unit}`}`;

function asked({ atLeast, atMost, aim, unit }: Bar): string {
  const limit =
    atLeast !== undefined ? `≥ ${withUnit(atLeast, unit)}` : `≤ ${withUnit(atMost, unit)}`;
  return aim === undefined ? limit : `${limit}, aim ${number(aim)}`;
}

const verdict = ({ holds }: Judged): string =>
  holds === undefined ? "not measured" : holds ? "holds" : "does not hold";

/** What was asked and what was found: medians of the rounds. */
export function ratioRows({ found }: Pick<Run, "found">, all = true): string[][] {
  const head = ["what", "asked", "found", "spread", "verdict"];
  const judgements = judge(found).filter(({ value }) => all || value !== undefined);
  const rows = judgements.map((judged) => {
    const { bar, value, values } = judged;
    const apart = values.length > 1 ? `${Math.round(spread(values) * 100)}%` : "–";
    return [bar.what, asked(bar), withUnit(value, bar.unit), apart, verdict(judged)];
  });
  return [head, ...rows];
}

/** Rates and what an event costs, for every scenario that has a throughput. */
export function rateRows({ found }: Pick<Run, "found">, titles: ReadonlyMap<string, string>) {
  const columns = {
    "events/s": "perSecond",
    "of bare Fastify": "ofCeiling",
    "accepted/s": "acceptedPerSecond",
    "answer p50, ms": "answerP50Ms",
    "CPU µs an event": "cpuUs",
  };
  const head = ["scenario", ...Object.keys(columns), "MB"];
  const rows = Object.entries(found).flatMap(([id, rounds]) => {
    const of = (name: string) => {
      const values = rounds.flatMap((figures) => figures[name] ?? []);
      return values.length === 0 ? undefined : median(values);
    };
    if (of("perSecond") === undefined || of("cpuUs") === undefined) return [];
    const figures = Object.values(columns).map((name) => number(of(name)));
    const memory = of("residentBytes");
    const megabytes = memory === undefined ? undefined : memory / 1_000_000;
    return [[`${id}: ${titles.get(id) ?? ""}`, ...figures, number(megabytes)]];
  });
  return [head, ...rows];
}

/** Where the time goes: microseconds of processor time an event, by process. */
export function cpuRows({ found }: Pick<Run, "found">): string[][] {
  const prefix = "cpuUs ";
  const ids = Object.keys(found).filter((id) =>
    Object.keys(found[id]?.[0] ?? {}).some((name) => name.startsWith(prefix)),
  );
  const names = new Set(
    ids.flatMap((id) =>
      Object.keys(found[id]?.[0] ?? {}).filter((name) => name.startsWith(prefix)),
    ),
  );
  const head = ["CPU µs an event", ...[...names].map((name) => name.slice(prefix.length))];
  const rows = ids.map((id) => [
    id,
    ...[...names].map((name) => {
      const values = (found[id] ?? []).flatMap((figures) => figures[name] ?? []);
      return values.length === 0 ? "" : number(median(values));
    }),
  ]);
  return [head, ...rows];
}
