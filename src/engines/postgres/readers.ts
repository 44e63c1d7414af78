import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import { Connection, type StatementResult } from "./connection.ts";
import { databaseFailure } from "./failures.ts";

/**
 * Sessions that cannot write, for whatever is read outside of transactions: opened when they are
 * needed, up to a limit, and shared by all engines of a process on the same schema.
 */
export class Readers {
  readonly #open: () => Promise<Connection>;
  readonly #max: number;
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  #count = 0;
  #isClosed = false;

  constructor(url: string, schema: string, clock: Clock, max: number = limits.databaseReadersMax) {
    this.#max = max;
    this.#open = () =>
      Connection.open({ url, schema, name: "millrace reader", isReadOnly: true, clock });
  }

  /** @throws MR_DATABASE_UNAVAILABLE, MR_DATABASE_PARAMETER; the server's error else */
  async run(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    for (;;) {
      const { connection, isNew } = await this.#take();
      try {
        return await connection.run(sql, parameters, limits.databaseStatementMs);
      } catch (error) {
        // One that the server has closed while nobody used it shows that only now. A read that was
        // cut off can be read again.
        if (!connection.isUsable && !isNew) continue;
        throw databaseFailure(error) ?? error;
      } finally {
        this.#give(connection);
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#idle.splice(0).map((connection) => connection.end()));
  }

  async #take(): Promise<{ readonly connection: Connection; readonly isNew: boolean }> {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection?.isUsable === true) return { connection, isNew: false };
      if (connection !== undefined) {
        this.#count -= 1;
      } else if (this.#count < this.#max) {
        return { connection: await this.#opened(), isNew: true };
      } else {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }

  async #opened(): Promise<Connection> {
    this.#count += 1;
    try {
      return await this.#open();
    } catch (error) {
      this.#count -= 1;
      this.#waiting.shift()?.();
      throw error;
    }
  }

  #give(connection: Connection): void {
    if (this.#isClosed) void connection.end();
    else if (connection.isUsable) this.#idle.push(connection);
    else this.#count -= 1;
    this.#waiting.shift()?.();
  }
}
