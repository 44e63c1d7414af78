import { version } from "../lib/version.ts";
import { type Band, escaped, plot } from "./chart.ts";
import { pageStyle } from "./page-style.ts";
import type { DrillReport, FaultReport } from "./report.ts";

/** The report as one page that needs nothing else: no script, nothing from the network. */
export function reportPage(report: DrillReport): string {
  const { drill, verdict, red, timeline } = report;
  const title = `Drill: ${drill}, ${verdict === "kept" ? "promises kept" : "promises broken"}`;
  const seconds = ((timeline.accepted.length - 1) * timeline.stepMs) / 1_000;
  const bands = report.faults.map((fault, index) => bandOf(fault, index + 1, seconds));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<header>
<h1>Drill: ${escaped(drill)}</h1>
<p class="verdict ${verdict}">${verdictText(report)}</p>
<p>${escaped(conditions(report))}</p>
${red.length === 0 ? "" : `<ul class="red">${red.map((line) => `<li>${escaped(line)}</li>`).join("")}</ul>`}
</header>
${tiles(report)}
${plot({
  title: "Accepted and applied",
  unit: `events in ${timeline.stepMs} ms`,
  seconds,
  bands,
  series: [
    { name: "accepted", look: "accepted", values: timeline.accepted },
    { name: "applied by every worker", look: "applied", values: timeline.applied },
  ],
})}
${plot({
  title: "Waiting",
  unit: "events accepted, not yet applied",
  seconds,
  bands,
  series: [{ name: "waiting", look: "waiting", values: waitingOf(report), isArea: true }],
})}
${faultTable(report)}
${workerTable(report)}
<footer>${escaped(machineText(report))}</footer>
</main>
</body>
</html>
`;
}

function machineText({ machine, startedAt }: DrillReport): string {
  const { node, cpus, platform } = machine;
  return `millrace ${version}, Node ${node}, ${cpus} processors, ${platform}; ${startedAt}`;
}

const verdictText = ({ verdict, isInterrupted }: DrillReport): string =>
  `${verdict === "kept" ? "✓ kept" : "✗ broken"}${isInterrupted ? " (interrupted)" : ""}`;

function conditions({ system, ratePerSecond, seconds, keys }: DrillReport): string {
  const whose = system.isOwn ? "a system of the drill's own" : "a system that was running";
  const engines = `queue ${system.queue}, database ${system.database}, cache ${system.cache}`;
  const load = `${ratePerSecond} events a second under ${keys} keys for ${seconds} s`;
  return `${system.name}, ${whose}; ${engines}; ${load}.`;
}

function bandOf({ atMs, healedAtMs, what }: FaultReport, number: number, seconds: number): Band {
  const share = (ms: number) => Math.min(1, ms / 1_000 / Math.max(seconds, 0.1));
  return { number, from: share(atMs), to: share(healedAtMs), says: what };
}

function waitingOf({ timeline }: DrillReport): number[] {
  let waiting = 0;
  return timeline.accepted.map((accepted, step) => {
    waiting += accepted - (timeline.applied[step] ?? 0);
    return Math.max(0, waiting);
  });
}

function tiles(report: DrillReport): string {
  const workers = Object.values(report.workers);
  const total = (name: keyof (typeof workers)[number]) =>
    workers.reduce((sum, worker) => sum + worker[name], 0);
  const { reads, longestStallMs, recoveryMs } = report;
  const zero = (name: string, value: number) => tile(name, String(value), value > 0);
  return `<dl class="tiles">${[
    tile("accepted", grouped(report.accepted)),
    tile(
      "effects",
      Object.values(report.workers)
        .map(({ effects }) => grouped(effects))
        .join(" + "),
    ),
    zero("lost", total("lost")),
    zero("doubled", total("doubled")),
    zero("out of order", total("outOfOrder")),
    ...(reads === undefined ? [] : [zero("stale reads", reads.stale)]),
    tile("longest stall, accepting", inSeconds(longestStallMs.accepting)),
    tile("longest stall, applying", inSeconds(longestStallMs.applying)),
    tile(
      "time to recover",
      recoveryMs === null ? "not seen" : inSeconds(recoveryMs),
      recoveryMs === null,
    ),
  ].join("")}</dl>`;
}

const tile = (name: string, value: string, isBad = false): string =>
  `<div${isBad ? ' class="bad"' : ""}><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`;

function faultTable({ faults }: DrillReport): string {
  const rows = faults.map((fault, index) => {
    const { what, atMs, healedAtMs, recoveryMs, isStruck } = fault;
    const lasted = healedAtMs - atMs < 100 ? "over at once" : inSeconds(healedAtMs - atMs);
    const recovered = recoveryMs === null ? "not seen" : inSeconds(recoveryMs);
    return row([
      String(index + 1),
      inSeconds(atMs),
      isStruck ? what : `${what} (did not strike)`,
      lasted,
      recovered,
    ]);
  });
  return table("Faults", ["", "at", "what", "lasted", "recovered in"], rows);
}

function workerTable({ workers }: DrillReport): string {
  const rows = Object.entries(workers).map(([name, worker]) =>
    row([name, ...Object.values(worker).map((value) => grouped(value))]),
  );
  const heads = [
    "worker",
    "effects",
    "lost",
    "doubled",
    "out of order",
    "invented",
    "parked",
    "dead",
  ];
  return table("Workers", heads, rows);
}

const table = (title: string, heads: readonly string[], rows: readonly string[]): string =>
  `<section><h2>${title}</h2><div class="scroll" tabindex="0"><table><thead><tr>${heads
    .map((head) => `<th scope="col">${head}</th>`)
    .join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div></section>`;

const row = (cells: readonly string[]): string =>
  `<tr>${cells
    .map((cell) => `<td${cell.length > 16 ? ' class="long"' : ""}>${escaped(cell)}</td>`)
    .join("")}</tr>`;

export const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

export const grouped = (value: number): string => value.toLocaleString("en-US");
