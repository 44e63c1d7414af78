import type { Clock } from "../../lib/clock.ts";
import { asError, isMillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { Log } from "../../lib/log.ts";
import type { Place, ScheduledId, WorkerLink } from "../../worker/link.ts";
import type { Worker } from "../../worker/worker.ts";
import { patiently } from "../patience.ts";

/** A worker, and the database on which it runs. */
export interface OpenedWorker {
  readonly place: string;
  readonly worker: Worker;
  /** Lets go of the database. */
  readonly close: () => Promise<void>;
}

export interface FollowingWorkerParts {
  readonly name: string;
  readonly currentPlace: () => Promise<string>;
  readonly open: (place: string) => Promise<OpenedWorker>;
  readonly clock: Clock;
  readonly log: Log;
  readonly onFatal: (error: Error) => void;
}

/**
 * A worker that goes on with another database once its own has been rebuilt. Whoever asks it
 * something meanwhile waits for the new one.
 */
export class FollowingWorker implements WorkerLink {
  readonly name: string;
  readonly #parts: FollowingWorkerParts;
  #opened: Promise<OpenedWorker>;
  /** Aborts when the database in use is left for another. */
  #left = new AbortController();
  #looking: Disposable | undefined;
  #isMoving = false;

  constructor(parts: FollowingWorkerParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#opened = this.#open();
  }

  async start(): Promise<void> {
    await this.#opened;
    this.#looking = this.#parts.clock.every(limits.heartbeatMs, () => void this.#look());
  }

  async stop(): Promise<void> {
    this.#looking?.[Symbol.dispose]();
    await (await this.#opened).worker.stop();
  }

  query(name: string, search: string, after: readonly Place[], ...signals: readonly AbortSignal[]) {
    const ask = (worker: Worker, left: AbortSignal) =>
      worker.query(name, search, after, ...signals, left);
    return this.#ask(ask, ...signals);
  }

  async standing(place: Place, waitMs: number, signal?: AbortSignal) {
    const { clock } = this.#parts;
    const deadline = clock.monotonic() + waitMs;
    return await this.#ask((worker, left) => {
      const leftMs = Math.max(0, deadline - clock.monotonic());
      return worker.standing(place, leftMs, anyOf(left, signal));
    }, signal);
  }

  async cancel(scheduled: ScheduledId, place?: Place, signal?: AbortSignal) {
    const ask = (worker: Worker, left: AbortSignal) =>
      worker.cancel(scheduled, place, anyOf(left, signal));
    return await this.#ask(ask, signal);
  }

  async progress() {
    return await this.#ask((worker) => worker.progress());
  }

  /** Asks again where the worker has gone on with another database meanwhile. */
  async #ask<Answer>(
    question: (worker: Worker, left: AbortSignal) => Promise<Answer>,
    ...signals: readonly (AbortSignal | undefined)[]
  ): Promise<Answer> {
    for (;;) {
      const left = this.#left.signal;
      const isOutdated = () => left.aborted && !signals.some((signal) => signal?.aborted);
      try {
        const answer = await question((await this.#opened).worker, left);
        if (!isOutdated()) return answer;
      } catch (thrown) {
        if (!isOutdated()) throw thrown;
      }
    }
  }

  async #open(): Promise<OpenedWorker> {
    return await patiently(async () => {
      const opened = await this.#parts.open(await this.#parts.currentPlace());
      try {
        await opened.worker.start();
        return opened;
      } catch (thrown) {
        await opened.worker.stop();
        await opened.close();
        throw thrown;
      }
    }, this.#parts);
  }

  /** Undefined where that cannot be told now: whoever works on the database waits for it, too. */
  async #currentPlace(): Promise<string | undefined> {
    try {
      return await this.#parts.currentPlace();
    } catch (thrown) {
      if (isMillraceError(thrown, "MR_DATABASE_UNAVAILABLE")) return undefined;
      throw thrown;
    }
  }

  async #look(): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    try {
      const { place, worker, close } = await this.#opened;
      const current = await this.#currentPlace();
      if (current === undefined || current === place) return;
      this.#parts.log.info({}, "the database was rebuilt; going on with the new one");
      const moving = worker.stop().then(async () => {
        const opened = await this.#open();
        // What was asked of the old one before may still be reading it.
        this.#parts.clock.after(limits.requestTimeoutMs, () => void close());
        return opened;
      });
      this.#opened = moving;
      this.#left.abort();
      this.#left = new AbortController();
      await moving;
    } catch (thrown) {
      this.#parts.onFatal(asError(thrown));
    } finally {
      this.#isMoving = false;
    }
  }
}

const anyOf = (left: AbortSignal, signal: AbortSignal | undefined): AbortSignal =>
  signal === undefined ? left : AbortSignal.any([left, signal]);
