/** A run of steps against a worker, and what they must come to: for delivery.property.test.ts. */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { setImmediate } from "node:timers/promises";
import type { Kysely } from "kysely";
import { defineEvent, type HandledEvent, on, Reject, type WhenDead } from "millrace";
import { z } from "zod";
import { seededRandom } from "../../examples/random.ts";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { limits } from "../../src/lib/limits.ts";
import type { Random } from "../../src/lib/random.ts";
import { makeEvent } from "../../src/system/make-event.ts";
import { DeadLetters, type StoredDeadLetter } from "../../src/worker/dead-letters.ts";
import { Steering } from "../../src/worker/steering.ts";
import { readAll } from "../queue/support.ts";
import { type HandClock, handClock } from "../support/hand-clock.ts";
import { Bench, Counted, Followed, type Instance, type Tables } from "./bench.ts";
import { DeliveryRules, type Published } from "./delivery-rules.ts";
import { Mortal, type Side } from "./mortal.ts";

export type Step =
  | {
      readonly kind: "publish";
      readonly key: string;
      readonly fate: Fate;
      readonly isOther: boolean;
    }
  | { readonly kind: "skip"; readonly key: string }
  | { readonly kind: "turn"; readonly ms: number }
  | {
      readonly kind: "die";
      readonly transaction: number;
      readonly side: Side;
      readonly pick: number;
    }
  | { readonly kind: "duplicate" | "forgotten"; readonly pick: number }
  | { readonly kind: "edit" | "retry" | "discard"; readonly pick: number }
  | {
      readonly kind: "join" | "leave" | "freeze" | "thaw" | "pause" | "resume" | "settle";
      readonly pick: number;
    };

/** What becomes of an event's attempts, until it is mended. */
type Fate = "well" | "once" | "always" | "reject";

/** Every effect of `Counted` emits one. Nobody handles it: it stays in the queue to be counted. */
const Echoed = defineEvent("thing.echoed", {
  data: z.object({ key: z.string(), of: z.string() }),
  key: ({ key }) => key,
});

interface Life {
  readonly name: string;
  readonly mortal: Mortal;
  readonly instance: Instance;
}

/** Far more than it takes: who needs more of them waits for something that never comes. */
const turnsMax = 4_000;
const instancesMax = 3;
/** Lets what was asked of the databases be answered, where that takes more than turns. */
let untilAnswered: (() => Promise<void>) | undefined;

/** For runs whose databases are asked over a network, which no clock of theirs can turn. */
export function waitForAnswers(wait: () => Promise<void>): void {
  untilAnswered = wait;
}
export const isOverNetwork = (): boolean => untilAnswered !== undefined;

/** Nothing here is about the disk, and every commit waits for one. */
const inMemory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export class DeliveryRun implements AsyncDisposable {
  readonly #bench: Bench;
  readonly #clock: HandClock;
  /** The connection of the person who looks and decides. */
  readonly #database: DatabaseEngine;
  readonly #whenDead: WhenDead;
  readonly #random: Random;
  readonly #fates = new Map<string, Fate>();
  readonly #published: Published[] = [];
  readonly #rules = new DeliveryRules();
  #lives: Life[] = [];
  #started = 0;

  private constructor(
    bench: Bench,
    clock: HandClock,
    database: DatabaseEngine,
    whenDead: WhenDead,
    seed: number,
  ) {
    this.#bench = bench;
    this.#clock = clock;
    this.#database = database;
    this.#whenDead = whenDead;
    const fraction = seededRandom(seed);
    this.#random = { fraction, bytes: (length) => Buffer.alloc(length, fraction() * 256) };
  }

  static async begin(whenDead: WhenDead, seed: number): Promise<DeliveryRun> {
    const clock = handClock();
    const bench = await Bench.open({ above: inMemory, clock });
    const database = await bench.openDatabase("database.db");
    const run = new DeliveryRun(bench, clock, database, whenDead, seed);
    await run.#join(`counter ${++run.#started}`);
    return run;
  }

  async take(step: Step): Promise<void> {
    await this.#act(step);
    await this.#turn(1);
    await this.#revive();
    this.#rules.look(await this.#effects(), await this.#letters());
  }

  /**
   * Everything is mended and let go on, and the dead letters are retried one after another. Returns
   * what was wrong.
   */
  async end(): Promise<string[]> {
    for (const { id } of this.#published) this.#fates.set(id, "well");
    for (const { mortal } of this.#lives) mortal.spare();
    await this.#during(new Steering(this.#database).setPaused("all", false));
    for (;;) {
      await this.#settle();
      const letters = await this.#letters();
      this.#rules.look(await this.#effects(), letters);
      const letter = letters[Math.floor(this.#random.fraction() * letters.length)];
      if (letter === undefined) break;
      await this.#retry(letter);
    }
    const echoes = () =>
      readAll(this.#bench.engine).then((events) =>
        events.filter(({ event }) => event.type === Echoed.type).map(({ event }) => event),
      );
    const wanted = (await this.#effects()).filter(({ id }) => !this.#isOther(id)).length;
    await this.#until(async () => (await echoes()).length >= wanted);
    const fatal = this.#lives.flatMap(({ instance }) => instance.fatal);
    return [
      ...this.#rules.violations(await this.#effects(), this.#published),
      ...this.#rules.echoViolations(
        (await echoes()).map(({ key, data }) => ({ key, id: JSON.parse(data).of })),
        (await this.#effects()).filter(({ id }) => !this.#isOther(id)),
      ),
      ...fatal.map(({ message }) => `an instance could not go on: ${message}`),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#revive();
    for (const { mortal } of this.#lives) mortal.spare();
    await this.#during(this.#database.close());
    // Its folder goes in the disk's time, not in that of the clock.
    const over = new Ending(this.#bench[Symbol.asyncDispose]());
    while (!over.isThere) await this.#turn(1);
  }

  async #act(step: Step): Promise<void> {
    switch (step.kind) {
      case "publish":
        return await this.#publish(step.key, step.fate, step.isOther);
      case "duplicate":
      case "forgotten":
        return await this.#repeat(step.kind === "forgotten", step.pick);
      case "turn":
        return await this.#turn(step.ms);
      case "join":
        if (this.#lives.length < instancesMax) await this.#join(`counter ${++this.#started}`);
        return;
      case "leave":
        return await this.#leave(step.pick);
      case "die":
        return this.#one(step.pick)?.mortal.killAt(step.transaction, step.side);
      case "freeze":
        return this.#one(step.pick)?.mortal.freeze();
      case "thaw":
        return this.#one(step.pick)?.mortal.thaw();
      case "pause":
      case "resume": {
        const isPaused = step.kind === "pause";
        await this.#during(new Steering(this.#database).setPaused("all", isPaused));
        return;
      }
      case "skip": {
        const steering = new Steering(this.#database);
        const skipped = steering.skipHead(step.key, "bench 1.0.0", this.#clock.now());
        return this.#rules.skipped(await this.#during(skipped));
      }
      case "settle":
        return await this.#settle();
      default:
        return await this.#decide(step.kind, step.pick);
    }
  }

  async #publish(key: string, fate: Fate, isOther: boolean): Promise<void> {
    const n = this.#published.length;
    const id = `event-${n}`;
    this.#fates.set(id, fate);
    this.#published.push({ id, key, n, isHolding: this.#whenDead === "hold" && !isOther, isOther });
    await this.#bench.publish(key, n, isOther ? Followed : Counted, id);
  }

  /** A publisher sends the same once more; the queue knows its id, or has forgotten it. */
  async #repeat(isForgotten: boolean, pick: number): Promise<void> {
    const one = this.#published[pick % Math.max(1, this.#published.length)];
    if (one === undefined) return;
    if (isForgotten) this.#bench.forget(one.id);
    await this.#bench.publish(one.key, one.n, one.isOther ? Followed : Counted, one.id);
  }

  async #decide(kind: "edit" | "retry" | "discard", pick: number): Promise<void> {
    const letters = await this.#letters();
    const letter = letters[pick % Math.max(1, letters.length)];
    if (letter === undefined) return;
    const { id, source, time, attributes, key } = letter.event;
    const store = new DeadLetters(this.#database);
    if (kind === "discard") {
      const count = await this.#during(store.discard([letter], this.#clock.now()));
      if (count > 0) this.#rules.discarded(id);
      return;
    }
    if (kind === "edit") {
      const type = this.#isOther(id) ? Followed : Counted;
      const data = { key, n: 1_000 };
      const edited = await makeEvent(type, data, { id, source, time, attributes });
      await this.#during(store.edit(letter, edited));
      this.#fates.set(id, "well");
    }
    await this.#retry(letter);
  }

  async #retry(letter: StoredDeadLetter): Promise<void> {
    const store = new DeadLetters(this.#database);
    await this.#during(store.retry([letter], this.#clock.now()));
    // Whoever did not know of any line may be ahead of it until its next beat.
    await this.#turn(limits.heartbeatMs);
    for (let turns = 0; turns < 5; turns++) await this.#turn(1);
    const isNoticed = this.#lives.every(({ mortal }) => !mortal.isFrozen && !mortal.isDead);
    this.#rules.retried(letter.event.id, isNoticed ? await this.#effects() : undefined);
  }

  async #join(name: string): Promise<void> {
    const mortal = new Mortal();
    const starting = this.#bench.start(this.#handlers(), {
      instance: name,
      random: this.#random,
      queue: mortal.queue(this.#bench.queue),
      around: (database) => mortal.database(database),
    });
    this.#lives.push({ name, mortal, instance: await this.#during(starting) });
  }

  async #leave(pick: number): Promise<void> {
    const life = this.#one(pick);
    if (life === undefined || this.#lives.length === 1 || life.mortal.isFrozen) return;
    const stopped = new Ending(life.instance.worker.stop());
    await this.#until(async () => life.mortal.isDead || stopped.isThere);
    if (!life.mortal.isDead) this.#lives = this.#lives.filter((one) => one !== life);
  }

  /** Whoever has died comes again under its name, as under a supervisor. */
  async #revive(): Promise<void> {
    for (const life of this.#lives.filter(({ mortal }) => mortal.isDead)) {
      this.#lives = this.#lives.filter((one) => one !== life);
      await this.#during(this.#bench.bury(life.instance));
      await this.#join(life.name);
    }
  }

  #handlers() {
    const handle = async (event: HandledEvent, db: Kysely<Tables>) => {
      const data = event.data as { key: string; n: number };
      const row = { id: event.id, ...data };
      await db.insertInto("effects").values(row).execute();
      const fate = this.#fates.get(event.id);
      if (fate === "reject") throw new Reject("no");
      if (fate === "always" || (fate === "once" && event.attempt === 1)) throw new Error("no");
    };
    const policy = { attempts: 2, backoff: { firstMs: 10, maxMs: 20 } };
    return [
      on<typeof Counted, Tables, typeof Echoed, undefined>(
        Counted,
        { ...policy, whenDead: this.#whenDead, emits: [Echoed] },
        async (event, { db, emit }) => {
          emit(Echoed, { key: event.key, of: event.id });
          await handle(event, db);
        },
      ),
      on<typeof Followed, Tables, never, undefined>(Followed, policy, (event, { db }) =>
        handle(event, db),
      ),
    ];
  }

  #one(pick: number): Life | undefined {
    return this.#lives[pick % this.#lives.length];
  }

  #isOther(id: string): boolean {
    return this.#published.some((one) => one.id === id && one.isOther);
  }

  #effects(): Promise<Required<Tables["effects"]>[]> {
    return this.#during(this.#database.read("select seq, id, key, n from effects order by seq"));
  }

  #letters(): Promise<StoredDeadLetter[]> {
    return this.#during(new DeadLetters(this.#database).list({}, 1_000));
  }

  /** Until nothing moves any more but what waits for a person, or is frozen or paused. */
  async #settle(): Promise<void> {
    const statuses = await this.#during(new Steering(this.#database).status());
    if (statuses.some(({ isPaused }) => isPaused)) return;
    if (this.#lives.every(({ mortal }) => mortal.isFrozen)) return;
    const isAtRest = await this.#until(async () => {
      await this.#revive();
      const [row] = await this.#during(
        this.#database.read<{ due: number }>(
          "select count(*) as due from millrace_parked where next_at is not null",
        ),
      );
      return row?.due === 0 && (await this.#during(this.#bench.isApplied(this.#database)));
    });
    if (!isAtRest) throw new Error("it never comes to rest");
  }

  /** Lets so much time pass, and everybody do a part of what they want to do. */
  async #turn(ms: number): Promise<void> {
    this.#clock.advance(ms);
    for (let i = 0; i < 4; i++) await setImmediate();
    await untilAnswered?.();
  }

  /** False where it takes more turns than anything does. */
  async #until(isTrue: () => Promise<boolean>): Promise<boolean> {
    for (let turns = 0; turns < turnsMax; turns++) {
      if (await isTrue()) return true;
      await this.#turn(turns < 20 ? 1 : 25);
    }
    return false;
  }

  /** Nothing goes on unless the clock is turned: whoever waits for something turns it. */
  async #during<Result>(work: Promise<Result>): Promise<Result> {
    const over = new Ending(work);
    await this.#until(async () => over.isThere);
    if (!over.isThere) throw new Error("what was begun never comes to an end");
    return await work;
  }
}

/** Whether work has come to an end, one way or the other. */
class Ending {
  isThere = false;

  constructor(work: Promise<unknown>) {
    const end = () => {
      this.isThere = true;
    };
    void work.then(end, end);
  }
}
