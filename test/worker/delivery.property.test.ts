/**
 * Any interleaving of success, failure, crash, duplicate, rebalance, pause, edit, retry and discard
 * keeps order per key and effects once. Real engines in one process; a crash is an instance whose
 * database connection is cut, so that it can commit nothing more, and whose leases have run out.
 */
import fc from "fast-check";
import type { Kysely } from "kysely";
import { type HandledEvent, on, Reject, type WhenDead } from "millrace";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import type { Receipt } from "../../src/queue/engine.ts";
import { makeEvent } from "../../src/system/make-event.ts";
import { DeadLetters, type StoredDeadLetter } from "../../src/worker/dead-letters.ts";
import { Steering } from "../../src/worker/steering.ts";
import { Bench, Counted, Followed, type Instance, type Tables } from "./bench.ts";

const patience = { timeout: 30_000, interval: 5 };

/** What becomes of an event's attempts, until it is mended. */
type Fate = "well" | "once" | "always" | "reject";

type Step =
  | {
      readonly kind: "publish";
      readonly key: string;
      readonly fate: Fate;
      readonly isOther: boolean;
    }
  | { readonly kind: "skip"; readonly key: string }
  | { readonly kind: "duplicate" | "edit" | "retry" | "discard"; readonly pick: number }
  | { readonly kind: "crash" | "join" | "leave" | "pause" | "resume" | "settle" };

const publish: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("publish" as const),
  key: fc.constantFrom("a", "b", "c"),
  isOther: fc.boolean(),
  fate: fc.oneof(
    { weight: 5, arbitrary: fc.constant("well" as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom("once" as const, "always" as const, "reject" as const),
    },
  ),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: publish },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("skip" as const),
      key: fc.constantFrom("a", "b", "c"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(...(["duplicate", "edit", "retry", "discard"] as const)),
      pick: fc.nat({ max: 20 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(...(["crash", "join", "leave", "pause", "resume", "settle"] as const)),
    }),
  },
);

/** A run of steps against a worker, and what they should come to. */
class Run {
  readonly #bench: Bench;
  readonly #whenDead: WhenDead;
  readonly #fates = new Map<string, Fate>();
  readonly #published: { readonly id: string; readonly key: string; readonly receipt: Receipt }[] =
    [];
  readonly #discarded = new Set<string>();
  /** Passed over by a person: nobody waits for them, whatever their handler says. */
  readonly #skipped = new Set<string>();
  /** Events of the other type, whose dead letters never hold anything. */
  readonly #others = new Set<string>();
  /** Events that were dead letters at any time: under `continue` they may come late. */
  readonly #died = new Set<string>();
  #instances: Instance[] = [];
  #started = 0;

  constructor(bench: Bench, whenDead: WhenDead) {
    this.#bench = bench;
    this.#whenDead = whenDead;
  }

  async begin(): Promise<void> {
    const handle = async (event: HandledEvent, db: Kysely<Tables>) => {
      const data = event.data as { key: string; n: number };
      await db
        .insertInto("effects")
        .values({ id: event.id, ...data })
        .execute();
      const fate = this.#fates.get(event.id);
      if (fate === "reject") throw new Reject("no");
      if (fate === "always" || (fate === "once" && event.attempt === 1)) throw new Error("no");
    };
    const policy = { attempts: 2, backoff: { firstMs: 1, maxMs: 2 } };
    const handlers = [
      on<typeof Counted, Tables, never, undefined>(
        Counted,
        { ...policy, whenDead: this.#whenDead },
        (event, { db }) => handle(event, db),
      ),
      on<typeof Followed, Tables, never, undefined>(Followed, policy, (event, { db }) =>
        handle(event, db),
      ),
    ];
    const instance = `counter ${++this.#started}`;
    this.#instances.push(await this.#bench.start(handlers, { instance }));
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "publish": {
        const id = `event-${this.#published.length}`;
        this.#fates.set(id, step.fate);
        const n = this.#published.length;
        if (step.isOther) this.#others.add(id);
        const type = step.isOther ? Followed : Counted;
        const receipt = await this.#bench.publish(step.key, n, type, id);
        this.#published.push({ id, key: step.key, receipt });
        return;
      }
      case "duplicate": {
        const one = this.#published[step.pick % Math.max(1, this.#published.length)];
        if (one === undefined) return;
        const type = this.#others.has(one.id) ? Followed : Counted;
        const again = await this.#bench.publish(one.key, -1, type, one.id);
        expect(again.duplicate).toBe(true);
        return;
      }
      case "join":
        if (this.#instances.length < 3) await this.begin();
        return;
      case "leave":
        if (this.#instances.length > 1) await this.#instances.shift()?.worker.stop();
        return;
      case "crash":
        return await this.#crash();
      case "pause":
      case "resume":
        await new Steering(this.#database).setPaused("all", step.kind === "pause");
        return;
      case "skip": {
        const steering = new Steering(this.#database);
        const id = await steering.skipHead(step.key, "bench 1.0.0", systemClock.now());
        if (id !== undefined) this.#skipped.add(id);
        return;
      }
      case "settle":
        return await this.#settle();
      default:
        return await this.#decide(step.kind, step.pick);
    }
  }

  /** Everything is mended and let go on; then every event that was not discarded has its effect. */
  async end(): Promise<void> {
    for (const { id } of this.#published) this.#fates.set(id, "well");
    await new Steering(this.#database).setPaused("all", false);
    const wanted = () =>
      this.#published.map(({ id }) => id).filter((id) => !this.#discarded.has(id));
    await vi.waitFor(async () => {
      const letters = await this.#letters();
      await new DeadLetters(this.#database).retry(letters, systemClock.now());
      const effects = await this.#effects();
      expect(effects.map(({ id }) => id).sort()).toEqual(wanted().sort());
    }, patience);
    const effects = await this.#effects();
    expect(new Set(effects.map(({ id }) => id)).size).toBe(effects.length);
    for (const key of ["a", "b", "c"]) {
      const isOrdered = (id: string) =>
        !this.#discarded.has(id) &&
        !this.#skipped.has(id) &&
        (this.#isHolding(id) || !this.#died.has(id));
      const accepted = this.#published.filter((one) => one.key === key).map(({ id }) => id);
      const handled = effects.filter((one) => one.key === key).map(({ id }) => id);
      expect(handled.filter(isOrdered)).toEqual(accepted.filter(isOrdered));
    }
    expect(this.#instances.flatMap(({ fatal }) => fatal)).toEqual([]);
  }

  get #database() {
    const database = this.#instances[0]?.database;
    if (database === undefined) throw new Error("there is always an instance");
    return database;
  }

  #isHolding(id: string): boolean {
    return this.#whenDead === "hold" && !this.#others.has(id);
  }

  async #effects(): Promise<Required<Tables["effects"]>[]> {
    return await this.#database.read("select seq, id, key, n from effects order by seq");
  }

  async #letters(): Promise<StoredDeadLetter[]> {
    const letters = await new DeadLetters(this.#database).list({}, 1_000);
    for (const { event } of letters) this.#died.add(event.id);
    return letters;
  }

  async #crash(): Promise<void> {
    const crashed = this.#instances.shift();
    await crashed?.database.close();
    await this.begin();
    await this.#database.transaction(async (tx) => {
      await tx.run("update millrace_positions set lease_until = 0");
      await tx.run("delete from millrace_instances");
    });
  }

  /** Until everything is handled, or waits for a person. */
  async #settle(): Promise<void> {
    const statuses = await new Steering(this.#database).status();
    if (statuses.some(({ isPaused }) => isPaused)) return;
    const letters = await this.#letters();
    const isHeld = new Set(letters.filter((one) => one.isHeld).map(({ event }) => event.key));
    for (const { key, receipt } of this.#published) {
      if (!isHeld.has(key)) await this.#instances[0]?.worker.standing(receipt, 50);
    }
  }

  async #decide(kind: "edit" | "retry" | "discard", pick: number): Promise<void> {
    const letters = await this.#letters();
    const letter = letters[pick % Math.max(1, letters.length)];
    if (letter === undefined) return;
    const { event } = letter;
    const store = new DeadLetters(this.#database);
    if (kind === "discard") {
      if ((await store.discard([letter], systemClock.now())) > 0) this.#discarded.add(event.id);
      return;
    }
    if (kind === "edit") {
      const { id, source, time, attributes } = event;
      const data = { key: event.key, n: 1_000 };
      const type = this.#others.has(id) ? Followed : Counted;
      await store.edit(letter, await makeEvent(type, data, { id, source, time, attributes }));
      this.#fates.set(id, "well");
    }
    await store.retry([letter], systemClock.now());
  }
}

it("keeps order per key and effects once", { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.constantFrom<WhenDead>("continue", "hold"),
      async (steps, whenDead) => {
        await using bench = await Bench.open();
        const run = new Run(bench, whenDead);
        await run.begin();
        for (const one of steps) await run.take(one);
        await run.end();
      },
    ),
    { numRuns: Number(process.env.MILLRACE_RUNS ?? 100), endOnFailure: true },
  );
});
