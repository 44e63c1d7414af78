/** A line of a plot: values at equal steps. */
export interface Series {
  readonly name: string;
  /** The class that colours and dashes it. */
  readonly look: string;
  readonly values: readonly number[];
  /** Filled below. */
  readonly isArea?: boolean;
}

/** A stretch of time that is marked, by its shares of the whole; `to` may be `from`. */
export interface Band {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly says: string;
}

interface PlotOptions {
  readonly title: string;
  readonly unit: string;
  readonly seconds: number;
  readonly series: readonly Series[];
  readonly bands: readonly Band[];
}

const width = 1_000;
const height = 240;

/**
 * A plot that takes whatever width there is: its lines stretch, its texts stand beside it in HTML
 * and keep their size.
 */
export function plot({ title, unit, seconds, series, bands }: PlotOptions): string {
  const top = niceTop(Math.max(1, ...series.flatMap(({ values }) => values)));
  const lines = series.map((one) => path(one, top)).join("");
  const marks = bands.map(({ from, to }) => mark(from, to)).join("");
  const numbers = bands
    .map(
      ({ number, from, says }) =>
        `<span class="number" style="left:${percent(from)}" title="${escaped(says)}">${number}</span>`,
    )
    .join("");
  const levels = [1, 0.5, 0].map((share) => `<span>${shortNumber(top * share)}</span>`).join("");
  const times = [0, 0.25, 0.5, 0.75, 1]
    .map((share) => `<span>${Math.round(seconds * share * 10) / 10} s</span>`)
    .join("");
  const legend = series
    .map(({ name, look }) => `<span class="key"><i class="${look}"></i>${escaped(name)}</span>`)
    .join("");
  return `<figure>
<figcaption><b>${escaped(title)}</b> <span class="unit">${escaped(unit)}</span> ${legend}</figcaption>
<div class="plot"><div class="levels" aria-hidden="true">${levels}</div><div class="area">
<div class="numbers">${numbers}</div>
<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${escaped(`${title}, ${unit}`)}">
${marks}<path class="grid" d="M0 ${height / 2}H${width}M0 0H${width}M0 ${height}H${width}"/>${lines}
</svg>
<div class="times" aria-hidden="true">${times}</div></div></div>
</figure>`;
}

function path({ look, values, isArea }: Series, top: number): string {
  const step = width / Math.max(1, values.length - 1);
  const y = (value: number) => Math.round((1 - value / top) * height * 10) / 10;
  const points = values.map((value, index) => `${Math.round(index * step * 10) / 10} ${y(value)}`);
  const line = `M${points.join("L")}`;
  const area = `<path class="${look} fill" d="${line}L${width} ${height}L0 ${height}Z"/>`;
  return `${isArea ? area : ""}<path class="${look} line" d="${line}"/>`;
}

function mark(from: number, to: number): string {
  const x = Math.round(from * width * 10) / 10;
  const wide = Math.round((to - from) * width * 10) / 10;
  const band = `<rect class="band" x="${x}" y="0" width="${wide}" height="${height}"/>`;
  return `${band}<path class="strike" d="M${x} 0V${height}"/>`;
}

/** 1, 2 or 5 times a power of ten, and not below. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((nice) => nice >= value) ?? value;
}

const percent = (share: number): string => `${Math.round(share * 10_000) / 100}%`;

const shortNumber = (value: number): string =>
  value >= 1_000 ? `${value / 1_000}k` : String(Math.round(value * 10) / 10);

export const escaped = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
