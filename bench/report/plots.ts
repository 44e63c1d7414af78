import { number } from "./table.ts";

/** One bar: a single value, or parts on top of each other. */
export interface PlotBar {
  readonly label: string;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
  readonly isOurs: boolean;
}

const width = 760;
const labelWidth = 250;
const valueWidth = 80;
const rowHeight = 26;
const barHeight = 16;
const top = 44;
const margin = 14;

/** Colours that can be told apart on white and on black, and by people who see fewer of them. */
const partColours = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999"];

const style = `<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .paper { fill: #ffffff } .ours { fill: #0b7a75 } .other { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .paper { fill: #0d1117 } .ours { fill: #2bb8b0 } .other { fill: #6e7681 }
  }
</style>`;

/**
 * Horizontal bars with their values at their ends: an SVG that stands by itself, on paper of its
 * own, since the page around it need not be as light or dark as its reader's system.
 */
export function barPlot(title: string, unit: string, bars: readonly PlotBar[]): string {
  const names = [...new Set(bars.flatMap(({ parts }) => parts.map(({ name }) => name)))];
  const isStacked = bars.some(({ parts }) => parts.length > 1);
  const legendHeight = isStacked ? 24 : 0;
  const height = top + legendHeight + bars.length * rowHeight + 8;
  const sums = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const scale = (width - labelWidth - valueWidth) / Math.max(1e-9, ...sums);
  const rows = bars.map((bar, at) => {
    const y = top + legendHeight + at * rowHeight;
    return barRow(bar, y, scale, sums[at] ?? 0, (name) => names.indexOf(name), isStacked);
  });
  const paper = [-margin, -margin, width + 2 * margin, height + 2 * margin];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${paper.join(" ")}" role="img" ` +
      `aria-label="${escaped(title)}">`,
    style,
    `<rect class="paper" x="${-margin}" y="${-margin}" width="${paper[2]}" height="${paper[3]}" rx="6"/>`,
    `<text class="title" x="0" y="18">${escaped(title)}</text>`,
    `<text x="${width}" y="18" text-anchor="end">${escaped(unit)}</text>`,
    ...(isStacked ? legend(names) : []),
    ...rows,
    "</svg>\n",
  ].join("\n");
}

function barRow(
  { label, parts, isOurs }: PlotBar,
  y: number,
  scale: number,
  sum: number,
  colourOf: (name: string) => number,
  isStacked: boolean,
): string {
  const text = y + barHeight - 4;
  let x = labelWidth;
  const rects = parts.map(({ name, value }) => {
    const length = Math.max(1, value * scale);
    const fill = isStacked
      ? `fill="${partColours[colourOf(name) % partColours.length]}"`
      : `class="${isOurs ? "ours" : "other"}"`;
    const tip = `${isStacked ? `${name}: ` : ""}${number(value)}`;
    const rect =
      `<rect x="${x.toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" ` +
      `${fill}><title>${escaped(tip)}</title></rect>`;
    x += length;
    return rect;
  });
  return [
    `<text x="${labelWidth - 8}" y="${text}" text-anchor="end">${escaped(label)}</text>`,
    ...rects,
    `<text x="${(x + 6).toFixed(1)}" y="${text}">${number(sum)}</text>`,
  ].join("\n");
}

function legend(names: readonly string[]): string[] {
  let x = labelWidth;
  return names.map((name, at) => {
    const colour = partColours[at % partColours.length];
    const entry =
      `<rect x="${x}" y="${top - 14}" width="10" height="10" fill="${colour}"/>` +
      `<text x="${x + 14}" y="${top - 5}">${escaped(name)}</text>`;
    x += 26 + name.length * 7;
    return entry;
  });
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
