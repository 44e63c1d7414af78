import { readFileSync } from "node:fs";
import { createClient, ErrorReply } from "@redis/client";
import { type Clock, settledWithin } from "../../lib/clock.ts";
import { asError, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";

/** `redis://`, `rediss://` (TLS, `?ca=FILE`), or `redis+unix:///path/of/socket?db=0`. */
export interface RedisAddress {
  readonly url: string;
}

export interface RedisConnection extends AsyncDisposable {
  /** The address without a password, for people. */
  readonly shown: string;
  /** For libraries that take a client. */
  readonly client: RedisClient;
  /**
   * @throws MR_CACHE_UNAVAILABLE where no answer comes in time; what was asked may still happen
   * @throws ErrorReply what the server refuses
   */
  ask(command: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

export type RedisClient = ReturnType<typeof makeClient>;

/**
 * One connection, which comes back by itself. Nothing waits for it: while it is gone, or the server
 * is silent, whatever is asked fails at once.
 */
export async function connectRedis(url: string, clock: Clock): Promise<RedisConnection> {
  const connection = new Connection(url, clock);
  await settledWithin(clock, limits.storeAnswerMs, connection.connected);
  return connection;
}

function makeClient(url: string) {
  return createClient({
    ...addressOf(url),
    disableOfflineQueue: true,
    // The deadline is ours; theirs ends once a command is written.
    commandOptions: { timeout: 0 },
    maintNotifications: "disabled",
    pingInterval: limits.storePingMs,
  });
}

/** What a user writes, as the client takes it. */
function addressOf(text: string) {
  const common = {
    connectTimeout: limits.storeSilenceMs,
    socketTimeout: limits.storeSilenceMs,
    reconnectStrategy: (retries: number) => Math.min(20 * 2 ** retries, limits.storeReconnectMs),
  };
  const url = new URL(text);
  const ca = url.searchParams.get("ca");
  if (url.protocol === "rediss:" && ca !== null) {
    return { url: text, socket: { ...common, tls: true as const, ca: authorityIn(ca) } };
  }
  if (url.protocol !== "redis+unix:") return { url: text, socket: common };
  return {
    socket: { ...common, path: decodeURIComponent(url.pathname), tls: false as const },
    ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
    database: Number(url.searchParams.get("db") ?? 0),
  };
}

function authorityIn(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new MillraceError("MR_CONFIG_INVALID", `The file ${file} cannot be read.`, {
      cause,
      remedy: "It must hold the certificate of the authority that signed Redis's.",
    });
  }
}

/** EN5: an address as it may be shown. */
export function shownAddress(text: string): string {
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`;
}

class Connection implements RedisConnection {
  readonly shown: string;
  readonly client: RedisClient;
  readonly connected: Promise<unknown>;
  readonly #clock: Clock;
  #lastError: Error | undefined;
  /** Answers that are overdue; until one comes, the others would be no sooner. */
  #overdue = 0;
  #isClosed = false;

  constructor(url: string, clock: Clock) {
    this.shown = shownAddress(url);
    this.#clock = clock;
    this.client = makeClient(url);
    this.client.on("error", (error) => {
      this.#lastError = asError(error);
    });
    this.client.on("ready", () => {
      this.#lastError = undefined;
    });
    // It goes on trying until it is closed, which is what this promise then rejects for.
    this.connected = this.client.connect().catch(() => {});
  }

  async ask(command: readonly string[]): Promise<unknown> {
    if (!this.client.isReady || this.#overdue > 0) throw this.#unavailable();
    const answer = this.client.sendCommand(command);
    let isOverdue = false;
    const deadline = Promise.withResolvers<never>();
    using _timer = this.#clock.after(limits.storeAnswerMs, () => {
      isOverdue = true;
      this.#overdue += 1;
      deadline.reject(this.#unavailable());
    });
    const over = () => {
      if (isOverdue) this.#overdue -= 1;
    };
    answer.then(over, over);
    try {
      return await Promise.race([answer, deadline.promise]);
    } catch (thrown) {
      // The connection is lost, or the server is not itself: loading, a replica, full.
      if (thrown instanceof ErrorReply) throw thrown;
      throw this.#unavailable(thrown);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.client.destroy();
    await this.connected;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #unavailable(cause: unknown = this.#lastError): MillraceError {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    return new MillraceError("MR_CACHE_UNAVAILABLE", `${this.shown} does not answer${why}`, {
      ...(cause === undefined ? {} : { cause }),
      remedy: "Queries read the database meanwhile, and the cache is used again by itself.",
    });
  }
}
