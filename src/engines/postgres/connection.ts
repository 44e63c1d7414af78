import type { Socket } from "node:net";
import { Client } from "pg";
import type { SqlValue } from "../../database/engine.ts";
import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import { breaksConnection, databaseFailure } from "./failures.ts";
import { toPostgres, typeParsers } from "./types.ts";

export interface StatementResult {
  readonly rows: Record<string, SqlValue>[];
  /** Rows that the statement changed; undefined where it returns rows. */
  readonly changes: number | undefined;
  /** The server's word for what it did: `COMMIT`, `INSERT`. */
  readonly command: string;
}

export interface SessionOptions {
  readonly url: string;
  readonly schema: string;
  /** What `pg_stat_activity` shows of it. */
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly clock: Clock;
}

/**
 * One session with the server. Statements are sent at once and answered in their order, so that
 * several cost one round trip. Their texts are kept prepared.
 */
export class Connection {
  readonly #client: Client;
  readonly #clock: Clock;
  /** Text → the name under which it is prepared. */
  readonly #names = new Map<string, string>();
  #pid = 0;
  #broken: Error | undefined;
  #waiting = 0;
  /**
   * Whoever waits is told of the end here: what is sent in the moment between a connection's end
   * and the driver's telling of it, the driver never answers.
   */
  readonly #untilGone = new Set<(error: Error) => void>();
  #isGathering = false;
  #lastUsed: number;

  private constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#lastUsed = clock.monotonic();
    client.on("error", (error) => this.#break(error));
    client.on("end", () => this.#break(new Error("The connection ended.")));
  }

  /** @throws MR_DATABASE_UNAVAILABLE */
  static async open({ url, schema, name, isReadOnly, clock }: SessionOptions): Promise<Connection> {
    const client = new Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: limits.databaseConnectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: limits.databasePingMs,
      types: typeParsers,
      ...{ pipeline: true },
    });
    const connection = new Connection(client, clock);
    try {
      await client.connect();
      const { rows } = await connection.run(settings, [
        `"${schema.replaceAll('"', '""')}"`,
        isReadOnly ? "on" : "off",
        String(limits.busyTimeoutMs),
        String(limits.databaseIdleMs),
      ]);
      connection.#pid = Number(rows[0]?.pid);
      return connection;
    } catch (error) {
      connection.destroy();
      throw databaseFailure(error) ?? error;
    }
  }

  /** By which the server knows it. */
  get pid(): number {
    return this.#pid;
  }

  get isUsable(): boolean {
    return this.#broken === undefined;
  }

  /** Statements that are not answered yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** For how long nothing was asked of it, or nothing came of what was asked. */
  get quietMs(): number {
    return this.#clock.monotonic() - this.#lastUsed;
  }

  /**
   * Runs a statement with `$1` style parameters.
   *
   * @param limitMs after which the whole connection is given up: nobody seems to be there any more
   * @throws MR_DATABASE_PARAMETER, and what the server or the network says, as it is
   */
  async run(
    sql: string,
    parameters: readonly unknown[],
    limitMs?: number,
  ): Promise<StatementResult> {
    const values = parameters.map(toPostgres);
    const name = this.#nameOf(sql);
    return await this.#send({
      text: sql,
      values,
      ...(name === undefined ? {} : { name }),
      ...(limitMs === undefined ? {} : { query_timeout: limitMs }),
    });
  }

  /** Runs one or more statements without parameters, which need not be kept prepared. */
  async control(sql: string, limitMs?: number): Promise<StatementResult> {
    return await this.#send({
      text: sql,
      ...(limitMs === undefined ? {} : { query_timeout: limitMs }),
    });
  }

  /** Lets go of it in order. */
  async end(): Promise<void> {
    if (this.#broken !== undefined) return;
    this.#broken = new Error("The connection is closed.");
    await this.#client.end().catch(() => {});
  }

  /** Lets go of it at once; what the server still does for it is rolled back there. */
  destroy(cause: Error = new Error("The connection was given up.")): void {
    this.#break(cause);
    // A socket that nobody answers on has no use for a farewell.
    this.#socket.stream.destroy();
  }

  onNotification(hear: (channel: string) => void): void {
    this.#client.on("notification", ({ channel }) => hear(channel));
  }

  onBreak(hear: () => void): void {
    this.#client.once("end", hear);
  }

  async #send(query: {
    readonly text: string;
    readonly values?: (string | Uint8Array | null)[];
    readonly name?: string;
    readonly query_timeout?: number;
  }): Promise<StatementResult> {
    if (this.#broken !== undefined) throw this.#broken;
    this.#waiting += 1;
    this.#lastUsed = this.#clock.monotonic();
    this.#gather();
    try {
      const answer = await this.#unlessGone(this.#client.query(query));
      // Of several statements the last one counts.
      const { rows, rowCount, fields, command } = Array.isArray(answer) ? answer.at(-1) : answer;
      const changes = fields.length > 0 ? undefined : (rowCount ?? 0);
      return { rows, changes, command };
    } catch (error) {
      if (breaksConnection(error)) this.#break(error as Error);
      throw error;
    } finally {
      this.#waiting -= 1;
      this.#lastUsed = this.#clock.monotonic();
    }
  }

  async #unlessGone<Answer>(answer: Promise<Answer>): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#untilGone.add(reject);
    answer.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#untilGone.delete(reject);
    }
  }

  /**
   * What is sent in one turn of the event loop goes to the network together: handing it over costs
   * more than anything else of a statement, here and on the server.
   */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    const { stream } = this.#socket;
    stream.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      stream.uncork();
    });
  }

  get #socket() {
    const { connection } = this.#client as unknown as { connection: { stream: Socket } };
    return connection;
  }

  #break(error: Error): void {
    this.#broken ??= error;
    for (const giveUp of this.#untilGone) giveUp(this.#broken);
    this.#untilGone.clear();
  }

  /** Undefined for a text that is one too many: it is sent whole each time. */
  #nameOf(sql: string): string | undefined {
    const known = this.#names.get(sql);
    if (known !== undefined || this.#names.size >= limits.preparedStatementsMax) return known;
    const name = `millrace_${this.#names.size + 1}`;
    this.#names.set(sql, name);
    return name;
  }
}

/**
 * What holds for every session. A commit returns when it is on the server's disk, and on that of
 * the standbys that the server waits for; a stronger setting of the server's is left alone.
 */
const settings = `select pg_backend_pid() as pid,
  set_config('search_path', $1, false),
  set_config('synchronous_commit', case current_setting('synchronous_commit')
    when 'remote_apply' then 'remote_apply' else 'on' end, false),
  set_config('timezone', 'UTC', false),
  set_config('bytea_output', 'hex', false),
  set_config('extra_float_digits', '1', false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('default_transaction_read_only', $2, false),
  set_config('lock_timeout', $3, false),
  set_config('idle_in_transaction_session_timeout', $4, false)`;
