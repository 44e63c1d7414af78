import type { OneRoundHandle, Transaction } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import { type AttemptScope, AttemptTimeout, attempt, type Job } from "./attempt.ts";

/** What became of an event: what it emitted, or nothing where something failed. */
interface Ended {
  readonly job: Job;
  readonly emitted: readonly EventRecord[] | undefined;
}

interface Parts {
  readonly oneRound: NonNullable<Transaction["oneRound"]>;
  readonly scope: Omit<AttemptScope, "db">;
  /** Handlers that turn out to need more than one round are noted here. */
  readonly dependent: Set<HandlerDefinition>;
}

/** Several events were under way when one of them failed: whose fault it was shows one by one. */
export class SomeFailed extends Error {
  override readonly name = "SomeFailed";
}

/**
 * Handles events of different keys beside each other within one transaction: a handler that writes
 * and is done need not keep the next one waiting for the way to the server and back. Whoever asks
 * the database and then writes is found out by its second round, and from then on goes alone, since
 * what it read could have changed in between.
 */
export class SideBySide {
  readonly #parts: Parts;
  /** In the order of the events. */
  #begun: Promise<Ended>[] = [];
  readonly #lastOfKey = new Map<string, Promise<Ended>>();
  /** How many of them were waited for. */
  #awaited = 0;
  #failure: { readonly thrown: unknown } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    return this.#begun.length === 0;
  }

  /** Whether this handler may have others beside it, as far as is known. */
  takes({ handler }: Job): boolean {
    return !this.#parts.dependent.has(handler);
  }

  /** Begins an event behind those of its key; waits first where as many as may be are under way. */
  async take(job: Job): Promise<void> {
    if (this.#begun.length - this.#awaited >= limits.handlersAtOnceMax) {
      await this.#begun[this.#awaited++];
    }
    const { key } = job.queued.event;
    const before = this.#lastOfKey.get(key);
    const ended = before === undefined ? this.#run(job) : before.then(() => this.#run(job));
    this.#begun.push(ended);
    this.#lastOfKey.set(key, ended);
  }

  /**
   * Waits for all of them; what came of each is told in their order.
   *
   * @throws AttemptTimeout, SomeFailed with the first failure as its cause
   */
  async finish(settle: (job: Job, emitted: readonly EventRecord[]) => void): Promise<void> {
    const all = await Promise.all(this.#begun);
    this.#begun = [];
    this.#awaited = 0;
    this.#lastOfKey.clear();
    if (this.#failure !== undefined) throw this.#failure.thrown;
    for (const { job, emitted } of all) if (emitted !== undefined) settle(job, emitted);
  }

  /** Lets those that are under way come to their end, and no other begin. */
  async idle(): Promise<void> {
    if (this.isEmpty) return;
    this.#failure ??= { thrown: new SomeFailed("the batch was broken off") };
    await Promise.all(this.#begun);
  }

  /** Never rejects: others are under way, and must have ended before anything is undone. */
  async #run(job: Job): Promise<Ended> {
    if (this.#failure !== undefined) return { job, emitted: undefined };
    const handle = this.#parts.oneRound();
    try {
      const emitted = await attempt(job, this.#scope(handle));
      if (handle.isRefused) throw new SomeFailed("it takes more than one round");
      return { job, emitted };
    } catch (thrown) {
      this.#failure ??= { thrown: this.#failureOf(thrown, handle) };
      return { job, emitted: undefined };
    } finally {
      if (handle.isRefused) this.#parts.dependent.add(job.handler);
      handle.close();
    }
  }

  /**
   * Time that is up while a statement waits may be the fault of another statement in front of it.
   */
  #failureOf(thrown: unknown, { isWaiting }: OneRoundHandle): unknown {
    const isItsOwn = !(thrown instanceof AttemptTimeout) || !isWaiting;
    return isItsOwn ? thrown : new SomeFailed("its statement was kept waiting", { cause: thrown });
  }

  #scope(handle: OneRoundHandle): AttemptScope {
    const { scope } = this.#parts;
    const { view } = scope;
    return {
      ...scope,
      db: handle.db,
      view: {
        get: (key, load) => {
          handle.noteRead();
          return view.get(key, load);
        },
        touch: (keys) => view.touch(keys),
      },
    };
  }
}
