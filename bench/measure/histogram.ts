/**
 * Counts times by their size, each to within 1.6%, in a few kilobytes however many there are: 64
 * steps for each power of two, from a microsecond to beyond a day.
 */
export class Histogram {
  readonly #counts: Map<number, number>;
  #count = 0;
  #max = 0;

  constructor(stored?: StoredHistogram) {
    this.#counts = new Map(stored?.counts);
    for (const count of this.#counts.values()) this.#count += count;
    this.#max = stored?.maxUs ?? 0;
  }

  get count(): number {
    return this.#count;
  }

  get maxUs(): number {
    return this.#max;
  }

  add(us: number): void {
    const step = stepOf(us);
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1);
    this.#count++;
    if (us > this.#max) this.#max = us;
  }

  merge(other: Histogram): void {
    for (const [step, count] of other.#counts) {
      this.#counts.set(step, (this.#counts.get(step) ?? 0) + count);
    }
    this.#count += other.#count;
    this.#max = Math.max(this.#max, other.#max);
  }

  /** The upper end of the step that the quantile falls into, never more than the maximum. */
  quantileUs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (const step of [...this.#counts.keys()].sort((one, other) => one - other)) {
      seen += this.#counts.get(step) ?? 0;
      if (seen >= rank) return Math.min(this.#max, upperEnd(step));
    }
    return Number.NaN;
  }

  toJSON(): StoredHistogram {
    return { counts: [...this.#counts], maxUs: this.#max };
  }
}

export interface StoredHistogram {
  readonly counts: readonly (readonly [number, number])[];
  readonly maxUs: number;
}

const stepsPerDouble = 64;

function stepOf(us: number): number {
  const whole = Math.max(0, Math.floor(us));
  if (whole < stepsPerDouble) return whole;
  const power = Math.floor(Math.log2(whole));
  const within = Math.floor(((whole - 2 ** power) * stepsPerDouble) / 2 ** power);
  return (power - 5) * stepsPerDouble + within;
}

function upperEnd(step: number): number {
  if (step < stepsPerDouble) return step;
  const power = Math.floor(step / stepsPerDouble) + 5;
  const within = step % stepsPerDouble;
  return 2 ** power * (1 + (within + 1) / stepsPerDouble);
}

/** What is told of a histogram: milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export const latencyOf = (histogram: Histogram): Latency => ({
  count: histogram.count,
  p50: histogram.quantileUs(0.5) / 1_000,
  p99: histogram.quantileUs(0.99) / 1_000,
  p999: histogram.quantileUs(0.999) / 1_000,
  max: histogram.maxUs / 1_000,
});
