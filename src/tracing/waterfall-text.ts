import { styleText } from "node:util";
import type { Waterfall, WaterfallRow } from "./waterfall.ts";

export interface WaterfallTextOptions {
  /** The terminal's width; never less than 80 is assumed. */
  readonly columns?: number;
  /** For terminals that show nothing else: `->` for the arrow, `#` and `.` for the bars. */
  readonly ascii?: boolean;
  /** Colour is never the only sign: without it, the same characters tell waiting from work. */
  readonly color?: boolean;
}

const narrowest = 80;
const barMax = 60;
const barMin = 10;
const whereMin = 8;
const timeWidth = 8;

interface Style {
  readonly work: string;
  readonly wait: string;
  readonly cut: string;
  plain(text: string): string;
  paint(format: Parameters<typeof styleText>[0], text: string): string;
}

/** Widths of the columns, one space between each and the next. */
interface Columns {
  readonly hop: number;
  readonly name: number;
  readonly where: number;
  readonly bar: number;
}

/** A trace as a table with a bar for each hop, where it stands in time: waiting, then work. */
export function waterfallText(waterfall: Waterfall, options: WaterfallTextOptions = {}): string {
  const style = styleOf(options);
  const columns = fitColumns(waterfall.hops, Math.max(narrowest, options.columns ?? narrowest));
  const head = [
    "#".padStart(columns.hop),
    "hop".padEnd(columns.name),
    "where".padEnd(columns.where),
    "start".padStart(timeWidth),
    "time".padStart(timeWidth),
  ].join(" ");
  const lines = waterfall.hops.flatMap((row) => rowLines(row, waterfall, columns, style));
  return [
    summaryOf(waterfall),
    "",
    style.paint("dim", head),
    ...lines,
    "",
    `${style.paint("cyan", style.work)} work   ${style.paint("yellow", style.wait)} waiting`,
  ].join("\n");
}

function summaryOf({ traceId, durationMs, hops }: Waterfall): string {
  const waitMs = hops.reduce((sum, row) => sum + row.waitMs, 0);
  const count = hops.length === 1 ? "1 hop" : `${hops.length} hops`;
  const waiting = waitMs > 0 ? `, of which waiting ${formatMs(waitMs)}` : "";
  return `trace ${traceId}\n${count} in ${formatMs(durationMs)}${waiting}`;
}

function rowLines(
  row: WaterfallRow,
  { durationMs }: Waterfall,
  columns: Columns,
  style: Style,
): string[] {
  const text = [
    String(row.hop ?? "").padStart(columns.hop),
    fit(style.plain(row.name), columns.name, style),
    fit(style.plain(whereOf(row)), columns.where, style),
    formatMs(row.startMs).padStart(timeWidth),
    formatMs(row.durationMs).padStart(timeWidth),
    barOf(row, durationMs, columns.bar, style),
  ].join(" ");
  if (row.error === null) return [text];
  const indent = " ".repeat(columns.hop + 1);
  return [text, `${indent}${style.paint("red", `failed: ${style.plain(row.error)}`)}`];
}

/** The process, or the worker's own name where one process runs them all. */
function whereOf({ box, worker }: WaterfallRow): string {
  const place = box.replace(/^worker /, "");
  return worker === null || place.startsWith(worker) ? place : worker;
}

function fitColumns(rows: readonly WaterfallRow[], width: number): Columns {
  const longest = (texts: readonly string[]) => Math.max(5, ...texts.map((text) => text.length));
  const hop = Math.max(2, ...rows.map((row) => String(row.hop ?? "").length));
  const wantedWhere = longest(rows.map(whereOf));
  const wantedName = longest(rows.map(({ name }) => name));
  const forTexts = width - hop - 2 * timeWidth - barMin - 5;
  const name = Math.min(wantedName, forTexts - Math.min(whereMin, wantedWhere));
  const where = Math.min(wantedWhere, forTexts - name);
  const bar = Math.min(barMax, forTexts - name - where + barMin);
  return { hop, name, where, bar };
}

const fit = (text: string, width: number, { cut }: Style): string =>
  text.length <= width ? text.padEnd(width) : text.slice(0, width - cut.length) + cut;

/** A hop has at least one cell, however short; waiting that is seen at all has one, too. */
function barOf(row: WaterfallRow, totalMs: number, width: number, style: Style): string {
  const cellsPerMs = totalMs > 0 ? width / totalMs : 0;
  const from = Math.min(width - 1, Math.floor(row.startMs * cellsPerMs));
  const until = Math.ceil((row.startMs + row.durationMs) * cellsPerMs);
  const cells = Math.max(1, Math.min(width, until) - from);
  const share = row.durationMs > 0 ? row.waitMs / row.durationMs : 0;
  const waiting = Math.min(
    cells,
    Math.max(share > 0 && cells > 1 ? 1 : 0, Math.round(share * cells)),
  );
  const wait = style.paint("yellow", style.wait.repeat(waiting));
  const work = style.paint("cyan", style.work.repeat(cells - waiting));
  return `${" ".repeat(from)}${wait}${work}`;
}

/** Three figures and a unit: `0.42 ms`, `12.3 ms`, `512 ms`, `1.24 s`, `125 s`. */
function formatMs(ms: number): string {
  return ms < 999.5 ? `${threeFigures(ms)} ms` : `${threeFigures(ms / 1_000)} s`;
}

function threeFigures(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function styleOf({ ascii = false, color = false }: WaterfallTextOptions): Style {
  const paint: Style["paint"] = (format, text) =>
    color && text !== "" ? styleText(format, text, { validateStream: false }) : text;
  // An error's name comes from the application: no control character of it reaches the terminal.
  const clean = (text: string) => text.replace(/\p{Cc}/gu, "?");
  return ascii
    ? { work: "#", wait: ".", cut: "~", paint, plain: (text) => toAscii(clean(text)) }
    : { work: "█", wait: "░", cut: "…", paint, plain: clean };
}

const toAscii = (text: string): string => text.replaceAll("→", "->").replace(/[^\x20-\x7e]/g, "?");
