import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";

/**
 * Holds all partitions of a live worker, so that nothing is committed there by anybody else. Its
 * instances are fenced and wait. Should the holder end, the lease runs out and they go on.
 */
export class Takeover implements AsyncDisposable {
  readonly #database: DatabaseEngine;
  readonly #epochs: ReadonlyMap<number, number>;
  readonly #renewal: Disposable;
  #isOver = false;

  private constructor(database: DatabaseEngine, clock: Clock, epochs: ReadonlyMap<number, number>) {
    this.#database = database;
    this.#epochs = epochs;
    this.#renewal = clock.every(limits.heartbeatMs, () => {
      // Whether it still holds is asked where it counts: in `confirm`.
      void database.transaction((tx) => this.confirm(tx)).catch(() => {});
    });
  }

  static async of(database: DatabaseEngine, clock: Clock): Promise<Takeover> {
    const rows = await database.transaction((tx) =>
      tx.run<{ partition: number; epoch: number }>(
        `update millrace_positions set owner = 'replay', epoch = epoch + 1,
           lease_until = ${database.dialect.nowMs} + $1 returning partition, epoch`,
        [limits.leaseMs],
      ),
    );
    return new Takeover(
      database,
      clock,
      new Map(rows.map(({ partition, epoch }) => [partition, epoch])),
    );
  }

  /** @throws MR_FENCED where somebody has taken a partition back */
  async confirm(tx: Transaction): Promise<void> {
    const { dialect } = this.#database;
    const held = await tx.run(
      `update millrace_positions set lease_until = ${dialect.nowMs} + $2
       from ${dialect.each("$1")} where partition = cast(value ->> 0 as bigint)
         and epoch = cast(value ->> 1 as bigint) returning partition`,
      [JSON.stringify([...this.#epochs]), limits.leaseMs],
    );
    if (held.length === this.#epochs.size) return;
    throw new MillraceError("MR_FENCED", "The worker went on in the middle of the replay's end.", {
      remedy: "Nothing was changed; begin the replay again.",
    });
  }

  /** Lets the instances go on at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#renewal[Symbol.dispose]();
    await this.#database.transaction((tx) =>
      tx.run(`update millrace_positions set owner = null, lease_until = 0 where owner = 'replay'`),
    );
  }
}
