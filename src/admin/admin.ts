import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Address } from "../lib/address.ts";
import { settledWithin } from "../lib/clock.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import { answerProblem } from "../lib/http/answer-problem.ts";
import { ArrivalWatch } from "../lib/http/arrival-watch.ts";
import { challengeOf } from "../lib/http/challenge.ts";
import { InFlight } from "../lib/http/in-flight.ts";
import { answerParserError, strictServer } from "../lib/http/server.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import { listen } from "../lib/listen.ts";
import { admit } from "./admit.ts";
import { pathOf, type Route } from "./call.ts";
import { answerOpen } from "./open-answers.ts";
import type { AdminOptions } from "./options.ts";
import { readRequest } from "./read-request.ts";
import { findRoute } from "./router.ts";
import { sendAnswer } from "./send-answer.ts";

/** The admin port: what people do about dead letters and the queue, over HTTP. */
export interface Admin extends Service {
  /** Where it listens, with the port that it got where port 0 was asked for. Known once started. */
  readonly address: Address;
}

export const createAdmin = (options: AdminOptions): Admin => new HttpAdmin(options);

/** Nothing here is for a page of anybody else's, and nothing of it is kept. */
const alwaysHeaders = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

class HttpAdmin implements Admin {
  readonly #options: AdminOptions;
  readonly #server: Server;
  readonly #inFlight = new InFlight();
  readonly #arrivals: ArrivalWatch;
  readonly #stop = new AbortController();
  #routes: Promise<readonly Route[]> | undefined;
  #address: Address;
  #stopping: Promise<void> | undefined;

  constructor(options: AdminOptions) {
    this.#options = options;
    this.#address = options.listen;
    this.#arrivals = new ArrivalWatch(options.clock);
    this.#server = strictServer((request, response) => this.#handle(request, response), false);
    this.#server.requestTimeout = limits.requestTimeoutMs;
    this.#server.on("clientError", answerParserError);
  }

  get address(): Address {
    return this.#address;
  }

  /** @throws MR_PORT_TAKEN */
  async start(): Promise<void> {
    const { listen: address, log } = this.#options;
    this.#address = await listen(this.#server, address, "MILLRACE_DASHBOARD_PORT");
    log.info({ address: this.#address }, "The admin port listens.");
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Lets what runs finish, bulk changes after the page that is under way, then closes. */
  async #drain(): Promise<void> {
    const { clock, drainMs } = this.#options;
    this.#stop.abort();
    if (this.#server.listening) {
      this.#server.close();
      this.#server.closeIdleConnections();
      await settledWithin(clock, drainMs, this.#inFlight.idle());
      this.#server.closeAllConnections();
    }
    this.#arrivals[Symbol.dispose]();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.#inFlight.enter();
    const gone = new AbortController();
    response.once("close", () => {
      this.#inFlight.leave();
      gone.abort();
    });
    for (const [name, value] of Object.entries(alwaysHeaders)) response.setHeader(name, value);
    if (this.#stop.signal.aborted) response.setHeader("connection", "close");
    const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
    this.#answer(request, response, signal).catch((thrown) => {
      if (gone.signal.aborted) return;
      if (response.headersSent) return void response.destroy(asError(thrown));
      this.#refuse(thrown, request, response);
    });
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    if (answerOpen(request, response, !this.#stop.signal.aborted)) return;
    if (this.#inFlight.count > limits.adminRequestsMax) throw overloaded();
    const { auth, clock } = this.#options;
    const client = await admit(request, auth);
    const match = findRoute(await this.#loadRoutes(), request.method ?? "", pathOf(request));
    const parts = { client, match, signal, arrivals: this.#arrivals };
    const call = await readRequest(request, response, parts);
    await sendAnswer(await match.route.run(call), response, clock, signal);
  }

  /** What they work with takes more memory than all else here, so it waits for a request. */
  #loadRoutes(): Promise<readonly Route[]> {
    this.#routes ??= import("./routes/all.ts").then(({ adminRoutes }) =>
      adminRoutes(this.#options),
    );
    return this.#routes;
  }

  #refuse(thrown: unknown, request: IncomingMessage, response: ServerResponse): void {
    const { log, clock, baseUrl, onFatal } = this.#options;
    const error = isMillraceError(thrown) ? thrown : new MillraceError("MR_INTERNAL", "");
    const instance = pathOf(request);
    if (error.status === 500)
      log.error({ err: asError(thrown), url: instance }, "A request failed.");
    const challenge = challengeOf(error.status, request.headers);
    const { allow } = error.extra;
    answerProblem({
      ...{ request, response, error, instance, baseUrl, clock },
      traceId: undefined,
      isLast: this.#stop.signal.aborted,
      lingerMs: limits.lingerMs,
      headers: {
        ...(challenge === undefined ? {} : { "www-authenticate": challenge }),
        ...(typeof allow === "string" ? { allow } : {}),
      },
    });
    if (error.code === "MR_RESULT_UNKNOWN") onFatal(error);
  }
}

const overloaded = (): MillraceError =>
  new MillraceError("MR_OVERLOADED", "Too many requests are under way.", { retryAfterSeconds: 1 });
