import { type FastifyInstance, fastify } from "fastify";
import type { Address } from "../lib/address.ts";
import { settledWithin } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { ArrivalWatch } from "../lib/http/arrival-watch.ts";
import { InFlight } from "../lib/http/in-flight.ts";
import {
  answerParserError,
  portTaken,
  protectSocket,
  removeStaleSocket,
  strictServer,
} from "../lib/http/server.ts";
import { idMaker } from "../lib/ids.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import { beginCalls } from "./begin-call.ts";
import { createGuard, type Guard } from "./guard.ts";
import { Identities } from "./idempotency.ts";
import { readBodies } from "./incoming-body.ts";
import { LoopWatch } from "./loop-watch.ts";
import { answerNotFound } from "./not-found.ts";
import type { GatewayOptions } from "./options.ts";
import { sendProblem } from "./problems.ts";
import { Publisher } from "./publisher.ts";
import { createRateLimiter } from "./rate-limit.ts";
import { documentRoutes } from "./routes/documents.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { pageRoutes } from "./routes/page.ts";
import { publishCloudEventRoutes } from "./routes/publish-cloud-events.ts";
import { publishPlainRoutes } from "./routes/publish-plain.ts";
import { queryRoutes } from "./routes/queries.ts";
import type { RouteTools } from "./routes/tools.ts";
import { webhookRoutes } from "./routes/webhooks.ts";
import { createStandings } from "./standings.ts";
import { trusted, untrusted } from "./trust.ts";

/** One API gateway: authenticates, limits, validates; publishes events and answers queries. */
export interface Gateway extends Service {
  /** Where it listens, with the port that it got where port 0 was asked for. Known once started. */
  readonly address: Address;
}

export const createGateway = (options: GatewayOptions): Gateway => new FastifyGateway(options);

class FastifyGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #inFlight = new InFlight();
  readonly #arrivals: ArrivalWatch;
  readonly #loop: LoopWatch;
  #app: FastifyInstance | undefined;
  #address: Address;
  #isDraining = false;
  #stopping: Promise<void> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#arrivals = new ArrivalWatch(options.clock);
    this.#loop = new LoopWatch(options.clock);
    this.#address = options.listen;
  }

  get address(): Address {
    return this.#address;
  }

  /** @throws MR_PORT_TAKEN */
  async start(): Promise<void> {
    const { listen, name, log } = this.#options;
    const app = await this.#build();
    this.#app = app;
    await removeStaleSocket(listen);
    try {
      await app.listen("socketPath" in listen ? { path: listen.socketPath } : listen);
    } catch (error) {
      await app.close();
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      throw isTaken ? portTaken(listen, error) : error;
    }
    await protectSocket(listen);
    const bound = app.server.address();
    if ("host" in listen && typeof bound === "object" && bound !== null) {
      this.#address = { host: listen.host, port: bound.port };
    }
    log.info({ gateway: name, address: this.#address }, "The gateway listens.");
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Says that it is leaving, lets what runs finish, then closes; never longer than `drainMs`. */
  async #drain(): Promise<void> {
    const { clock, log, name, drainDelayMs = 0, drainMs } = this.#options;
    this.#isDraining = true;
    const app = this.#app;
    if (app === undefined) return this.#forgetTimers();
    if (drainDelayMs > 0) await clock.sleep(drainDelayMs);
    app.server.close();
    await settledWithin(clock, drainMs, this.#inFlight.idle());
    if (this.#inFlight.count > 0) {
      log.warn({ gateway: name, requests: this.#inFlight.count }, "Requests were broken off.");
    }
    app.server.closeAllConnections();
    await app.close();
    this.#forgetTimers();
  }

  #forgetTimers(): void {
    this.#arrivals[Symbol.dispose]();
    this.#loop[Symbol.dispose]();
  }

  async #build(): Promise<FastifyInstance> {
    const { trustProxy } = this.#options;
    const whole = trustProxy ? trusted : untrusted;
    const app = fastify({
      logger: false,
      serverFactory: (handler) => strictServer(handler, trustProxy !== false),
      clientErrorHandler: answerParserError,
      return503OnClosing: false,
      routerOptions: { maxParamLength: limits.pathParameterLengthMax },
      // A context is made for each error; the message of a bad address is ours too.
      frameworkErrors: (error, request, reply) => sendProblem(error, request, reply, this.#options),
    });
    beginCalls(app, {
      ...this.#options,
      trustOf: typeof trustProxy === "function" ? trustProxy : () => whole,
      inFlight: this.#inFlight,
      isDraining: () => this.#isDraining,
    });
    readBodies(app, this.#arrivals);
    app.setErrorHandler((error, request, reply) =>
      sendProblem(error, request, reply, this.#options),
    );
    await this.#routes(app);
    await app.ready();
    return app;
  }

  async #routes(app: FastifyInstance): Promise<void> {
    const { queue, clock, auth, rateLimits, rateCounter, baseUrl } = this.#options;
    const limiter =
      rateLimits === undefined ? undefined : createRateLimiter(rateLimits, rateCounter);
    const guard = createGuard({ auth, limiter, inFlight: this.#inFlight, baseUrl });
    answerNotFound(app, guard);
    const tools = this.#tools(guard);
    await app.register(async (scope) => {
      await scope.register(async (guarded) => {
        guarded.addHook("onRequest", (_request, _reply, done) => {
          done(this.#loop.isBehind ? behind() : undefined);
        });
        publishPlainRoutes(guarded, tools);
        publishCloudEventRoutes(guarded, tools);
        eventRoutes(guarded, tools);
        queryRoutes(guarded, tools);
        webhookRoutes(guarded, tools);
        await documentRoutes(guarded, tools, {
          ...(baseUrl === undefined ? {} : { baseUrl }),
          isSecured: auth.mode !== "open",
        });
        await pageRoutes(guarded, tools);
      });
      const isReady = () => !this.#isDraining && !this.#loop.isBehind;
      healthRoutes(scope, { queue, clock, isReady });
    });
  }

  #tools(guard: Guard): RouteTools {
    const { system, producer, queue, workers, clock, log, spans } = this.#options;
    const { idempotencyKeyRequired: keyRequired = false } = this.#options;
    return {
      system,
      guard,
      queue,
      workers,
      clock,
      log,
      spans,
      arrivals: this.#arrivals,
      publisher: new Publisher(system, producer, queue, clock),
      identities: new Identities({ newId: idMaker(clock), keyRequired }),
      standings: createStandings(system, workers, clock),
    };
  }
}

const behind = (): MillraceError =>
  new MillraceError("MR_OVERLOADED", "The gateway is behind its work.", { retryAfterSeconds: 1 });
