import type { Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { isMillraceError, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { CacheEngine, Lookup } from "./engine.ts";
import type { StoreRecord, StoreState } from "./store-record.ts";

/** A state of the record, and when it was asked for and first seen. */
interface Known extends StoreState {
  readonly askedAt: number;
  readonly askedAtWall: number;
  readonly seenAt: number;
}

/** A shared engine, whose stores can be lost. */
export type LosableEngine = CacheEngine & Required<Pick<CacheEngine, "begin" | "use">>;

export const isLosable = (engine: CacheEngine): engine is LosableEngine =>
  engine.begin !== undefined && engine.use !== undefined;

/**
 * Whether what a shared store holds may be believed. The worker's database says so, since that is
 * what everybody who commits has to go through:
 *
 *              it failed, or a block in it was left behind
 *     open ────────────────────────────────────────────────▶ closing
 *      ▲                                                        │ every instance
 *      │ an empty store, under a new name                       │ has looked
 *      └──────────────────── closed ◀───────────────────────────┘
 *
 * - Who commits reads the record in the same transaction, which holds it as it is: while it is
 *   open the keys are blocked in that very store, or nothing is committed; while it is closing
 *   nothing is committed; while it is closed nobody reads a store, and nothing needs to be blocked.
 * - Who reads looks at the record at least every `storeTrustMs`. Closing lasts longer than that, by
 *   the clock of whoever ends it, so that nobody believes in a store that commits go past.
 * - A store that was given up is never opened again. What was read into it, blocked in it, or
 *   arrives in it late means nothing.
 *
 * Nothing runs by itself: who reads or commits moves on what is due.
 */
export class Trust {
  readonly #engine: LosableEngine;
  readonly #record: StoreRecord;
  readonly #clock: Clock;
  #known: Known | undefined;
  #looking: Promise<Known> | undefined;
  #tending: Promise<void> | undefined;
  #failingSince: number | undefined;
  #isDoubtful = false;
  #openAt = 0;

  constructor(engine: LosableEngine, record: StoreRecord, clock: Clock) {
    this.#engine = engine;
    this.#record = record;
    this.#clock = clock;
  }

  /** Whether the engine's store may be read by a question that was asked before this call. */
  async mayRead(): Promise<boolean> {
    let known = this.#known;
    if (known === undefined || this.#age(known) >= limits.storeTrustMs) known = await this.#look();
    else if (this.#age(known) >= limits.storeTrustMs / 2) this.#look().catch(() => {});
    this.#tend();
    return known.state === "open" && this.#age(known) < limits.storeTrustMs;
  }

  /**
   * Whether a transaction that touches keys must block them in the engine's store.
   *
   * @throws MR_CACHE_UNAVAILABLE where it has to wait until everybody has looked
   */
  async mustBlock(transaction: Transaction): Promise<boolean> {
    const { state } = this.#learn(await this.#record.readIn(transaction));
    this.#tend();
    if (state !== "closing") return state === "open";
    throw new MillraceError(
      "MR_CACHE_UNAVAILABLE",
      "The shared cache has been given up; commits wait until no instance reads it any more.",
    );
  }

  /** Asks the engine something, and draws conclusions from how it goes. */
  async ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    try {
      const answer = await question();
      this.#failingSince = undefined;
      return answer;
    } catch (thrown) {
      if (isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) {
        this.#failingSince ??= this.#clock.monotonic();
        this.#tend();
      }
      throw thrown;
    }
  }

  async get(key: string): Promise<Lookup> {
    const lookup = await this.ask(() => this.#engine.get(key));
    if ((lookup.blockedMs ?? 0) > limits.keyBlockedMs) this.doubt();
    return lookup;
  }

  /** Something is blocked that nobody will release: the store has to be given up. */
  doubt(): void {
    this.#isDoubtful = true;
    this.#tend();
  }

  /** Lets what was begun end. */
  async settled(): Promise<void> {
    await this.#tending;
    await this.#looking?.catch(() => {});
  }

  #age({ askedAt, askedAtWall }: Known): number {
    // Where the machine slept, only one of the two clocks may know.
    const { now, monotonic } = this.#clock;
    return Math.max(monotonic() - askedAt, Math.abs(now() - askedAtWall));
  }

  /** Callers share a look that is under way: what it says is as old as its beginning. */
  #look(): Promise<Known> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookNow(): Promise<Known> {
    const [askedAt, askedAtWall] = [this.#clock.monotonic(), this.#clock.now()];
    const known = this.#learn(await this.#record.read());
    this.#known = { ...known, askedAt, askedAtWall };
    return this.#known;
  }

  /** What a transaction has seen says nothing about how long to believe it. */
  #learn(state: StoreState): Known {
    const before = this.#known;
    if (before !== undefined && before.generation >= state.generation) return before;
    const [seenAt, long] = [this.#clock.monotonic(), Number.NEGATIVE_INFINITY];
    const known = { ...state, seenAt, askedAt: long, askedAtWall: long };
    this.#engine.use(state.state === "open" ? state.store : undefined);
    this.#known = known;
    this.#failingSince = undefined;
    this.#isDoubtful = false;
    return known;
  }

  /** Moves the record on, where that is due; one step at a time, and never in anybody's way. */
  #tend(): void {
    const known = this.#known;
    if (known === undefined || this.#tending !== undefined || !this.#isDue(known)) return;
    this.#tending = this.#moveOn(known)
      // The database or the store is gone: whoever comes next tries again.
      .catch(() => {
        this.#openAt = this.#clock.monotonic() + limits.storeReopenMs;
      })
      .finally(() => {
        this.#tending = undefined;
      });
  }

  #isDue({ state, generation, seenAt }: Known): boolean {
    const now = this.#clock.monotonic();
    if (state === "closing") return now - seenAt >= limits.storeDistrustMs;
    if (state === "open") {
      return this.#isDoubtful || now - (this.#failingSince ?? now) >= limits.storeGoneMs;
    }
    // The first one of all takes nobody's place.
    const pauseMs = generation === 0 ? 0 : limits.storeReopenMs;
    return now >= Math.max(this.#openAt, seenAt + pauseMs);
  }

  async #moveOn({ state, generation, store }: Known): Promise<void> {
    if (state === "open") await this.#record.move(generation, { state: "closing", store });
    else if (state === "closing") await this.#record.move(generation, { state: "closed", store });
    else {
      const begun = await this.#engine.begin();
      await this.#record.move(generation, { state: "open", store: begun });
    }
    await this.#look();
  }
}
