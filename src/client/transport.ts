import { type PlainTime, plainTime } from "../lib/plain-time.ts";

/** An RFC 9457 problem, as the gateway answers it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly traceId?: string;
  readonly errors?: readonly { readonly detail: string; readonly pointer: string }[];
  readonly [member: string]: unknown;
}

export interface ClientOptions {
  /** Where the system is reached: `http://localhost:8080`. */
  readonly url: string | URL;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** An API key or token, sent as `Authorization: Bearer …`. */
  readonly apiKey?: string;
  /** How often a request is tried in all (4), where another try can help. */
  readonly attempts?: number;
  readonly fetch?: typeof globalThis.fetch;
}

/** A request that failed: the server's problem, or what kept the request from an answer. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** The problem's stable code; `CLIENT_…` where there was no problem document. */
  readonly code: string;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The single faults of what was sent. */
  readonly errors: readonly { readonly detail: string; readonly pointer: string }[];
  readonly traceId: string | undefined;
  readonly problem: Problem | undefined;

  constructor(code: string, message: string, options: { cause?: unknown; problem?: Problem } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.problem = options.problem;
    this.status = options.problem?.status ?? 0;
    this.errors = options.problem?.errors ?? [];
    this.traceId = options.problem?.traceId;
  }
}

export interface Transport {
  /** Sends a request that is safe to repeat, and repeats it where that can help. */
  request<Answer>(path: string, init: RequestInit): Promise<Answer>;
  /** Before asking again for what was not there yet. */
  pause(signal?: AbortSignal): Promise<void>;
  readonly now: () => number;
}

const pauseBaseMs = 100;
const pauseMaxMs = 10_000;
/** Whoever is asked to come back later than this is told so instead. */
const retryAfterMaxMs = 60_000;

export function createTransport(options: ClientOptions, time: PlainTime = plainTime): Transport {
  const base = String(options.url).replace(/\/+$/, "");
  // Looked up at each call and called as a function of the global: browsers insist on both.
  const send: typeof globalThis.fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const attemptsMax = options.attempts ?? 4;
  const shared = {
    ...options.headers,
    ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
  };

  async function request<Answer>(path: string, init: RequestInit): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await tryOnce(path, init);
      if ("answer" in outcome) return outcome.answer as Answer;
      const { error, retryAfterMs } = outcome;
      if (retryAfterMs === undefined || attempt >= attemptsMax) throw error;
      const backoffMs = Math.min(pauseMaxMs, pauseBaseMs * 2 ** (attempt - 1));
      // Never earlier than the server asks; a little later, so that not all clients come at once.
      const pauseMs = Math.max(retryAfterMs, backoffMs) * (1 + time.fraction() / 2);
      await time.sleep(pauseMs, init.signal ?? undefined);
    }
  }

  async function tryOnce(path: string, init: RequestInit): Promise<Outcome> {
    try {
      const response = await send(base + path, {
        ...init,
        headers: { ...shared, ...(init.headers as Record<string, string> | undefined) },
      });
      if (response.ok) return { answer: await response.json() };
      const error = await toError(response);
      return { error, retryAfterMs: retryAfterMsOf(error, response.headers) };
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      const error = new ClientError("CLIENT_NETWORK", `${base} cannot be reached.`, { cause });
      return { error, retryAfterMs: 0 };
    }
  }

  return {
    request,
    pause: (signal) => time.sleep(pauseBaseMs, signal),
    now: time.now,
  };
}

type Outcome =
  | { readonly answer: unknown }
  /** `retryAfterMs` is absent where another try cannot help. */
  | { readonly error: ClientError; readonly retryAfterMs: number | undefined };

/** What may be different a moment later; the key of a repeat can be that of its own first try. */
const passingStatuses = new Set([429, 502, 503, 504]);
const passingCode = "MR_IDEMPOTENCY_RUNNING";

function retryAfterMsOf({ status, code }: ClientError, headers: Headers): number | undefined {
  if (!passingStatuses.has(status) && code !== passingCode) return undefined;
  const retryAfterMs = (Number(headers.get("retry-after")) || 0) * 1_000;
  return retryAfterMs > retryAfterMaxMs ? undefined : retryAfterMs;
}

async function toError(response: Response): Promise<ClientError> {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  const problem = isProblem ? ((await response.json()) as Problem) : undefined;
  if (problem !== undefined) return new ClientError(problem.code, problem.detail, { problem });
  // A proxy in between answered by itself.
  const status = response.status;
  const stand = { type: "about:blank", title: response.statusText, status, detail: "", code: "" };
  const message = `The answer was ${status} ${response.statusText}.`;
  return new ClientError("CLIENT_HTTP", message, { problem: stand });
}
