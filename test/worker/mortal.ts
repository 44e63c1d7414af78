/**
 * What an instance holds of the world, so that a test can take it away: killed, it neither commits
 * nor sends anything any more, and never hears of it; frozen, it stands still where a process that
 * is stopped would, before a transaction or behind one, until it is thawed.
 */
import type { DatabaseEngine, Transaction, TransactionOptions } from "../../src/database/engine.ts";
import type { Queue } from "../../src/queue/queue.ts";

/** Where in a transaction an instance dies: before it, in it, or behind its commit. */
export type Side = "before" | "inside" | "behind";

export class Mortal {
  #isDead = false;
  #thawed: PromiseWithResolvers<void> | undefined;
  #death: { left: number; readonly side: Side } | undefined;

  get isDead(): boolean {
    return this.#isDead;
  }

  get isFrozen(): boolean {
    return this.#thawed !== undefined;
  }

  kill(): void {
    this.#isDead = true;
  }

  /** Kills it in one of its next transactions: 0 is the next one. */
  killAt(transaction: number, side: Side): void {
    this.#death ??= { left: transaction, side };
  }

  freeze(): void {
    this.#thawed ??= Promise.withResolvers();
  }

  thaw(): void {
    this.#thawed?.resolve();
    this.#thawed = undefined;
  }

  /** Nothing happens to it any more. */
  spare(): void {
    this.#death = undefined;
    this.thaw();
  }

  database(engine: DatabaseEngine): DatabaseEngine {
    const beside = engine.beside?.bind(engine);
    return replaced(engine, {
      transaction: async <Result>(
        work: (tx: Transaction) => Promise<Result>,
        options?: TransactionOptions,
      ) => {
        const side = this.#nextSide();
        await this.#pass(side === "before");
        const result = await engine
          .transaction(async (tx) => {
            const done = await work(tx);
            if (side === "inside") throw new Error("the process died in its transaction");
            return done;
          }, options)
          .catch(async (thrown) => {
            await this.#pass(side === "inside");
            throw thrown;
          });
        await this.#pass(side === "behind");
        return result;
      },
      ...(beside === undefined
        ? {}
        : {
            beside: async <Result>(work: (tx: Transaction) => Promise<Result>) => {
              await this.#pass(false);
              const result = await beside(work);
              await this.#pass(false);
              return result;
            },
          }),
    });
  }

  queue(queue: Queue): Queue {
    return replaced(queue, {
      append: async (publications) => {
        await this.#pass(false);
        return await queue.append(publications);
      },
    });
  }

  /** The side of the transaction that begins; undefined where it is not the last one. */
  #nextSide(): Side | undefined {
    if (this.#death === undefined) return undefined;
    this.#death.left -= 1;
    return this.#death.left < 0 ? this.#death.side : undefined;
  }

  /** Comes back only to the living, and only once they are thawed. */
  async #pass(isLast: boolean): Promise<void> {
    if (isLast) this.kill();
    await this.#thawed?.promise;
    if (this.#isDead) await new Promise(() => {});
  }
}

/** The same database, which tells of each transaction that has committed. */
export const afterEach = (
  engine: DatabaseEngine,
  committed: () => Promise<void> | void,
): DatabaseEngine =>
  replaced(engine, {
    async transaction<Result>(
      work: (tx: Transaction) => Promise<Result>,
      options?: TransactionOptions,
    ) {
      const result = await engine.transaction(work, options);
      await committed();
      return result;
    },
  });

/** The same object but for some of its methods. */
export function replaced<Target extends object>(target: Target, by: Partial<Target>): Target {
  return new Proxy(target, {
    get(_, name) {
      if (name in by) return Reflect.get(by, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
