import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { machineText } from "../measure/machine.ts";
import { median } from "../measure/statistics.ts";
import type { Run } from "../run.ts";
import { barPlot, type PlotBar } from "./plots.ts";
import { cpuRows, number, rateRows, ratioRows, table } from "./table.ts";

const root = new URL("../../", import.meta.url);
const pages = ["docs/performance.md", "README.md"];
const labels: readonly (readonly [id: string, label: string])[] = [
  ["fastify", "bare Fastify, requests"],
  ["1a", "1a: light handlers, one gateway"],
  ["1b", "1b: the same through the balancer"],
  ["1c", "1c: real handlers, one gateway"],
  ["2a", "2a: 200 events a request"],
  ["2b", "2b: the same, handlers in batches"],
  ["7r", "7: JetStream × 3, PostgreSQL, Redis"],
  ["bullmq", "Fastify + BullMQ, everysec"],
  ["bullmq-always", "Fastify + BullMQ, always"],
  ["jetstream", "Fastify + JetStream × 3"],
  ["pg-boss", "Fastify + pg-boss"],
  ["graphile", "Fastify + graphile-worker"],
];

/** Writes what a run found into the pages, between their marks, and the plots beside them. */
export function writeReport(run: Run, titles: ReadonlyMap<string, string>): void {
  const texts = textsOf(run, titles);
  for (const page of pages) {
    const file = fileURLToPath(new URL(page, root));
    writeFileSync(file, fillMarks(readFileSync(file, "utf8"), texts));
  }
  const folder = new URL("docs/plots/", root);
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of Object.entries(plotsOf(run))) {
    writeFileSync(new URL(`${name}.svg`, folder), svg);
  }
}

/** Puts each text between `<!-- bench:NAME -->` and `<!-- /bench -->`, where a page has them. */
export const fillMarks = (page: string, texts: Readonly<Record<string, string>>): string =>
  page.replace(
    /(<!-- bench:([\w-]+) -->\n)[\s\S]*?(<!-- \/bench -->)/g,
    (whole, begin: string, name: string, end: string) => {
      const text = texts[name];
      return text === undefined ? whole : `${begin}\n${text}\n\n${end}`;
    },
  );

function textsOf(run: Run, titles: ReadonlyMap<string, string>): Record<string, string> {
  const skipped = [...Object.entries(run.skipped), ...Object.entries(run.failed)].map(
    ([id, why]) =>
      `- ${id}${id in run.found ? ", in one of its rounds" : ""}: ${why.split("\n")[0]}`,
  );
  const day = run.measuredAt.slice(0, 10);
  const conditions = `Measured ${day}, ${run.pace} run, on ${machineText(run.machine)}.`;
  const ratios = table(ratioRows(run), "markdown");
  return {
    conditions,
    ratios,
    summary: [conditions, plot("docs/plots/", "throughput"), ratios].join("\n\n"),
    rates: [plot("plots/", "throughput"), table(rateRows(run, titles), "markdown")].join("\n\n"),
    cpu: [plot("plots/", "cpu"), table(cpuRows(run), "markdown")].join("\n\n"),
    latency: [plot("plots/", "latency"), table(latencyRows(run), "markdown")].join("\n\n"),
    backlog: table(backlogRows(run), "markdown"),
    skipped: skipped.length === 0 ? "Everything was measured." : skipped.join("\n"),
  };
}

const plotTitles = {
  throughput: "Events through both workers",
  cpu: "Processor time of an event",
  latency: "From request to effect, at shares of the peak",
} as const;

const plot = (folder: string, name: keyof typeof plotTitles): string =>
  `![${plotTitles[name]}](${folder}${name}.svg)`;

const figure = ({ found }: Run, id: string, name: string): number | undefined => {
  const values = (found[id] ?? []).flatMap((figures) => figures[name] ?? []);
  return values.length === 0 ? undefined : median(values);
};

function latencyRows(run: Run): string[][] {
  const quantiles = ["p50", "p99", "p999", "max"];
  const rows = ["10%", "50%", "80%"].flatMap((share) =>
    ["answer", "effect"].map((what) => [
      `${share} of the peak, to the ${what}`,
      ...quantiles.map((name) => number(figure(run, "3", `${share} ${what} ${name}Ms`))),
    ]),
  );
  return [["milliseconds", "p50", "p99", "p99.9", "max"], ...rows];
}

const latencyBars = (run: Run): PlotBar[] =>
  ["10%", "50%", "80%"].flatMap((share) =>
    ["p50", "p99"].flatMap((name): PlotBar[] => {
      const value = figure(run, "3", `${share} effect ${name}Ms`);
      if (value === undefined) return [];
      return [{ label: `${share}, ${name}`, parts: [{ name, value }], isOurs: name === "p50" }];
    }),
  );

function backlogRows(run: Run): string[][] {
  const names = ["stored", "appendPerSecond", "drainPerSecond", "readyMs", "residentBytes"];
  const head = ["backlog", "stored", "append/s", "drain/s", "answers after, ms", "bytes"];
  const rows = ["empty", "tenth", "fullest", "parked"].map((stage) => [
    stage,
    ...names.map((name) => number(figure(run, "5", `${stage} ${name}`))),
  ]);
  return [head, ...rows];
}

function plotsOf(run: Run): Record<string, string> {
  const isOurs = (id: string) => /^\d/.test(id);
  const rates = labels.flatMap(([id, label]): PlotBar[] => {
    const value = figure(run, id, "perSecond");
    return value === undefined
      ? []
      : [{ label, parts: [{ name: "rate", value }], isOurs: isOurs(id) }];
  });
  const cpu = labels.flatMap(([id, label]): PlotBar[] => {
    const parts = cpuParts(run, id);
    return parts.length === 0 ? [] : [{ label, parts, isOurs: isOurs(id) }];
  });
  return {
    throughput: barPlot(plotTitles.throughput, "events/s", rates),
    latency: barPlot(plotTitles.latency, "ms, open loop", latencyBars(run)),
    cpu: barPlot(plotTitles.cpu, "µs, all processes", cpu),
  };
}

function cpuParts(run: Run, id: string): PlotBar["parts"] {
  const names = Object.keys(run.found[id]?.[0] ?? {}).filter((name) => name.startsWith("cpuUs "));
  const parts = new Map<string, number>();
  for (const name of names) {
    const box = name.slice("cpuUs ".length);
    if (box === "generator" || box === "admin" || box === "supervisor") continue;
    const shown = box.startsWith("worker") ? "workers" : box === "front" ? "gateway" : box;
    parts.set(shown, (parts.get(shown) ?? 0) + (figure(run, id, name) ?? 0));
  }
  const order = ["balancer", "gateway", "workers", "servers"];
  return [...parts]
    .map(([name, value]) => ({ name, value }))
    .toSorted((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
}
