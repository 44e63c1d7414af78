import { element } from "./dom.js";
import { duration, roundDuration } from "./format.js";

/** Four marks on the time axis are enough to read a bar by. */
const axisMarks = 4;

/** The three parts of the picture, by the first hop of each. */
const parts = [
  { from: 10, kind: "b", title: "Worker B" },
  { from: 5, kind: "a", title: "Worker A" },
  { from: 1, kind: "request", title: "Request" },
];

const partOf = (hop) => parts.find(({ from }) => hop >= from);

/**
 * Draws hops as bars over one time axis. Waiting (hatched) comes first within a hop, working
 * (solid) after it.
 *
 * @param {readonly object[]} hops spans that carry a hop's number
 * @param {number} start of the axis, µs @param {number} end of the axis, µs
 */
export function drawWaterfall(hops, start, end) {
  const scale = roundUp(Math.max(end - start, 1));
  const ordered = [...hops].sort(
    (one, other) => one.hop - other.hop || one.startUs - other.startUs,
  );
  const groups = Map.groupBy(ordered, ({ hop }) => partOf(hop));
  return element(
    "div",
    { class: "waterfall" },
    axis(scale),
    ...[...groups].map(([part, spans]) =>
      element(
        "section",
        { class: "part", "data-kind": part.kind, "aria-label": part.title },
        element("h3", {}, part.title, element("span", { class: "small" }, boxesOf(spans))),
        element("ol", { class: "hops" }, ...spans.map((span) => row(span, start, scale))),
      ),
    ),
  );
}

const boxesOf = (spans) =>
  [...new Set(spans.map(({ box }) => box))].map((box) => box.replace(/^worker /, "")).join(" → ");

function row(span, start, scale) {
  const offset = span.startUs - start;
  const waiting = Math.min(span.waitUs, span.durationUs);
  const percent = (us) => `${((us / scale) * 100).toFixed(3)}%`;
  const spoken = `starts after ${duration(offset)}, takes ${duration(span.durationUs)}${
    waiting > 0 ? `, of which ${duration(waiting)} waiting` : ""
  }${span.error ? `, failed: ${span.error}` : ""}`;
  return element(
    "li",
    {
      class: "hop",
      "data-failed": span.error ? "true" : undefined,
      title: `${span.box}: ${spoken}`,
    },
    element("span", { class: "hop-number" }, String(span.hop)),
    element("span", { class: "hop-name" }, span.hopName ?? span.name),
    element(
      "span",
      { class: "track", role: "img", "aria-label": spoken },
      element(
        "span",
        {
          class: "bar",
          style: { "--from": percent(offset), "--long": percent(span.durationUs) },
        },
        element("span", {
          class: "bar-wait",
          style: { "--share": `${((waiting / Math.max(span.durationUs, 1)) * 100).toFixed(2)}%` },
        }),
      ),
    ),
    element("span", { class: "hop-took" }, duration(span.durationUs)),
  );
}

const axis = (scale) =>
  element(
    "div",
    { class: "axis", "aria-hidden": "true" },
    ...Array.from({ length: axisMarks + 1 }, (_, at) =>
      element(
        "span",
        { style: { "--at": `${(at / axisMarks) * 100}%` } },
        at === 0 ? "0" : roundDuration((scale / axisMarks) * at),
      ),
    ),
  );

/** The next length that four marks divide evenly into figures that read well. */
function roundUp(us) {
  const step = 10 ** Math.floor(Math.log10(us));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10]
    .map((n) => n * step)
    .find((length) => length >= us);
}
