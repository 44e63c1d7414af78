import { median } from "../measure/statistics.ts";
import type { Run } from "../run.ts";

/** A figure of a scenario: `1a:perSecond`. */
type Figure = `${string}:${string}`;

export interface Bar {
  readonly id: string;
  readonly what: string;
  readonly of: Figure;
  /** What it is divided by; absent: the figure itself, in its own unit. */
  readonly by?: Figure;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly aim?: number;
  /** What the figure is multiplied with to be told. */
  readonly scale?: number;
  readonly unit?: string;
}

const percent = { scale: 100, unit: "%" } as const;
const megabytes = { scale: 1 / 1_000_000, unit: "MB" } as const;

/**
 * What is asked of the product, each a figure, or a ratio of two that one round has measured. Rates
 * are told in units of what bare Fastify did right before and after them (see Ceiling): of one
 * process where it is the ceiling that is asked for, of all cores where two systems are compared.
 */
export const bars: readonly Bar[] = [
  { id: "1a", what: "1a ÷ bare Fastify", of: "1a:ofCeiling", atLeast: 0.5, aim: 0.8 },
  { id: "1c", what: "1c ÷ bare Fastify", of: "1c:ofCeiling", atLeast: 0.3, aim: 0.5 },
  {
    id: "1a-bullmq",
    what: "1a ÷ Fastify + BullMQ, light handlers, fsync every second",
    of: "1a:ofMachine",
    by: "bullmq:ofMachine",
    atLeast: 4,
  },
  {
    id: "1c-bullmq",
    what: "1c ÷ Fastify + BullMQ, real handlers, fsync every second",
    of: "1c:ofMachine",
    by: "bullmq-real:ofMachine",
    atLeast: 4,
  },
  { id: "1b", what: "1b ÷ 1a", of: "1b:ofMachine", by: "1a:ofMachine", atLeast: 0.5, aim: 0.8 },
  { id: "2a", what: "2a ÷ bare Fastify", of: "2a:ofCeiling", atLeast: 1.2 },
  { id: "2b", what: "2b ÷ bare Fastify", of: "2b:ofCeiling", atLeast: 2.5 },
  { id: "3-p99", what: "3 at 50%, p99", of: "3:50% effect p99Ms", atMost: 15, unit: "ms" },
  { id: "3-max", what: "3 at 50%, maximum", of: "3:50% effect maxMs", atMost: 250, unit: "ms" },
  {
    id: "4",
    what: "4 cached query ÷ bare Fastify, both through our balancer",
    of: "4:hit ofMachine",
    by: "4:fastify ofMachine",
    atLeast: 0.5,
    aim: 0.8,
  },
  {
    id: "5-append",
    what: "5 append rate, fullest ÷ empty",
    of: "5:fullest append ofMachine",
    by: "5:empty append ofMachine",
    atLeast: 0.7,
  },
  {
    id: "5-drain",
    what: "5 drain rate, fullest ÷ empty",
    of: "5:fullest drain ofMachine",
    by: "5:empty drain ofMachine",
    atLeast: 0.7,
  },
  { id: "6-cpu", what: "6 CPU at rest, of a core", of: "6:idleCpu", atMost: 2, ...percent },
  { id: "6-memory", what: "6 memory, start", of: "6:startBytes", atMost: 500, ...megabytes },
  { id: "6-dev", what: "6 memory, dev", of: "6:devBytes", atMost: 150, ...megabytes },
  {
    id: "7",
    what: "7 replicated ÷ Fastify + JetStream, an acknowledgement an event",
    of: "7r:ofMachine",
    by: "jetstream:ofMachine",
    atLeast: 2,
  },
  { id: "8", what: "8 replay ÷ 1a", of: "8:ofMachine", by: "1a:ofMachine", atLeast: 2 },
];

export interface Judged {
  readonly bar: Bar;
  /** One a round; undefined where nothing was measured. */
  readonly values: readonly number[];
  readonly value: number | undefined;
  readonly holds: boolean | undefined;
}

/** Each bar with the median of the rounds' values. */
export const judge = (found: Run["found"]): readonly Judged[] =>
  bars.map((bar) => {
    const values = valuesOf(bar, found);
    const value = values.length === 0 ? undefined : median(values);
    return { bar, values, value, holds: value === undefined ? undefined : holds(bar, value) };
  });

const holds = ({ atLeast, atMost }: Bar, value: number): boolean =>
  value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);

/** Ratios within a round; what was measured once in a run stands for each of its rounds. */
function valuesOf({ of, by, scale = 1 }: Bar, found: Run["found"]): number[] {
  const upper = figuresOf(of, found);
  if (by === undefined) return upper.map((value) => value * scale);
  const lower = figuresOf(by, found);
  const rounds = Math.max(upper.length, lower.length);
  if (upper.length === 0 || lower.length === 0) return [];
  return Array.from({ length: rounds }, (_, round) => {
    const [one, other] = [upper, lower].map((values) => values[round] ?? median(values));
    return ((one ?? Number.NaN) / (other ?? Number.NaN)) * scale;
  });
}

function figuresOf(figure: Figure, found: Run["found"]): number[] {
  const [id = "", name = ""] = figure.split(/:(.*)/s);
  return (found[id] ?? []).flatMap((figures) => figures[name] ?? []);
}
