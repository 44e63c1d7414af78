import { Histogram } from "../measure/histogram.ts";
import { Connection, type Target } from "./connection.ts";
import { nowUs, Request, type RequestPlan } from "./request.ts";

export interface LoadPlan {
  readonly target: Target;
  readonly request: RequestPlan;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second, at a constant rate (open loop); absent: each as soon as it can. */
  readonly perSecond?: number;
  /** Of the first so many seconds no times are told: connections and processes only begin. */
  readonly leadSeconds?: number;
  /** The number of the first event; they count up from there. */
  readonly firstNumber: number;
}

/** What came of it. */
export interface Tally {
  /** Answers by their status; broken connections under 0. */
  readonly answers: Map<number, number>;
  /** Requests and events that were sent, and those that were answered with success. */
  sent: number;
  succeeded: number;
  /** Successes between the lead's end and the end of sending: what is neither start nor end. */
  steady: number;
  /** Why a request failed last, where one did: what the answer said, or how it broke. */
  lastFailure: string | undefined;
  readonly times: Histogram;
  /** By the machine's monotonic clock. */
  startedUs: number;
  endedUs: number;
}

interface Slot {
  readonly connection: Connection;
  readonly request: Request;
  /** When the request on its way was meant to be sent. */
  meantUs: number;
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

abstract class Loop {
  readonly tally: Tally = {
    answers: new Map(),
    sent: 0,
    succeeded: 0,
    steady: 0,
    lastFailure: undefined,
    times: new Histogram(),
    startedUs: 0,
    endedUs: 0,
  };
  protected readonly plan: LoadPlan;
  protected readonly slots: readonly Slot[];
  protected inFlight = 0;
  protected readonly done = Promise.withResolvers<void>();
  #next: number;
  #leadEndUs = 0;

  constructor(plan: LoadPlan) {
    this.plan = plan;
    this.#next = plan.firstNumber;
    this.slots = Array.from({ length: plan.connections }, () => this.#slot());
  }

  async run(): Promise<Tally> {
    this.tally.startedUs = nowUs();
    this.#leadEndUs = this.tally.startedUs + (this.plan.leadSeconds ?? 0) * 1_000_000;
    this.begin();
    await this.done.promise;
    this.tally.endedUs = nowUs();
    for (const { connection } of this.slots) connection.close();
    return this.tally;
  }

  protected abstract begin(): void;
  /** A connection is free again. */
  protected abstract free(slot: Slot): void;

  protected get endUs(): number {
    return this.tally.startedUs + this.plan.seconds * 1_000_000;
  }

  protected send(slot: Slot, meantUs: number): void {
    slot.meantUs = meantUs;
    this.inFlight++;
    this.tally.sent++;
    const number = this.#next;
    this.#next += slot.request.events;
    slot.connection.send(slot.request.write(number, meantUs));
  }

  #slot(): Slot {
    const settled = (status: number, refusal?: string) => {
      this.inFlight--;
      const { answers, times } = this.tally;
      answers.set(status, (answers.get(status) ?? 0) + 1);
      const now = nowUs();
      if (isSuccess(status)) {
        this.tally.succeeded++;
        if (now >= this.#leadEndUs && now < this.endUs) this.tally.steady++;
      } else this.tally.lastFailure = refusal;
      if (slot.meantUs >= this.#leadEndUs) times.add(now - slot.meantUs);
      this.free(slot);
    };
    const slot: Slot = {
      connection: new Connection(this.plan.target, settled, (error) => settled(0, error.message)),
      request: new Request(this.plan.request),
      meantUs: 0,
    };
    return slot;
  }
}

/** Each connection sends its next request when it has the answer to its last: peak throughput. */
export class ClosedLoop extends Loop {
  protected begin(): void {
    for (const slot of this.slots) this.send(slot, nowUs());
  }

  protected free(slot: Slot): void {
    const now = nowUs();
    if (now < this.endUs) this.send(slot, now);
    else if (this.inFlight === 0) this.done.resolve();
  }
}

/** How many requests should have been sent by now. */
export const dueBy = (elapsedUs: number, perSecond: number, total: number): number =>
  Math.min(total, Math.floor((elapsedUs * perSecond) / 1_000_000) + 1);

/**
 * Requests are sent at a constant rate, whether earlier ones are answered or not, and their times
 * count from when they were meant to be sent: one that waits for a free connection, or for this
 * process, waits on the clock.
 */
export class OpenLoop extends Loop {
  /** In turn: one that is left alone is closed by the server some day, just as it is written to. */
  readonly #free: Slot[] = [];
  readonly #perSecond: number;
  readonly #total: number;
  #begun = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: LoadPlan & { readonly perSecond: number }) {
    super(plan);
    this.#perSecond = plan.perSecond;
    this.#total = Math.floor(plan.perSecond * plan.seconds);
  }

  protected begin(): void {
    this.#free.push(...this.slots);
    this.#timer = setInterval(() => this.#sendDue(), 1);
    this.#sendDue();
  }

  protected free(slot: Slot): void {
    this.#free.push(slot);
    this.#sendDue();
  }

  #sendDue(): void {
    const elapsedUs = nowUs() - this.tally.startedUs;
    const due = dueBy(elapsedUs, this.#perSecond, this.#total);
    while (this.#begun < due) {
      const slot = this.#free.shift();
      if (slot === undefined) return;
      this.send(slot, this.tally.startedUs + (this.#begun++ * 1_000_000) / this.#perSecond);
    }
    if (this.#begun < this.#total || this.inFlight > 0) return;
    clearInterval(this.#timer);
    this.done.resolve();
  }
}
