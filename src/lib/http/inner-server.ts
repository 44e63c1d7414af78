import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Address } from "../address.ts";
import { type Clock, systemClock } from "../clock.ts";
import { asError, isMillraceError, MillraceError } from "../errors.ts";
import type { Service } from "../lifecycle.ts";
import { limits } from "../limits.ts";
import { listen } from "../listen.ts";
import type { Log } from "../log.ts";
import { isPeerToken, peerHeader } from "./peer-token.ts";
import { toWire } from "./wire-error.ts";

export interface InnerServerOptions {
  readonly listen: Address;
  /** What whoever asks has to show; undefined where only this machine's own can connect. */
  readonly token: string | undefined;
  readonly log: Log;
  /** Answers a request with JSON text; a `MillraceError` that it throws arrives as one. */
  readonly answer: (request: IncomingMessage, signal: AbortSignal) => Promise<string>;
  /** Whether it wants requests; what `/readyz` says. */
  readonly isReady: () => boolean;
  readonly clock?: Clock;
}

/**
 * Serves the system's other boxes over HTTP, on a Unix socket or a private network. It is no public
 * interface: who may ask what is decided at the gateway, and here only who belongs to the system.
 * `/livez` and `/readyz` are answered to everybody.
 */
export function createInnerServer(options: InnerServerOptions): Service {
  const mayAsk = admission(options);
  const server = createServer((request, response) => {
    answer(options, mayAsk, request, response).catch((thrown) => {
      options.log.error({ err: asError(thrown) }, "an answer to another box broke off");
      response.destroy();
    });
  });
  server.keepAliveTimeout = limits.linkKeepAliveMs;
  server.headersTimeout = limits.headersTimeoutMs;
  server.requestTimeout = limits.requestTimeoutMs;
  server.maxConnections = limits.connectionsMax;
  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await closed;
  };
  return {
    async start() {
      await listen(server, options.listen, "MILLRACE_LISTEN");
    },
    stop: close,
    [Symbol.asyncDispose]: close,
  };
}

async function answer(
  options: InnerServerOptions,
  mayAsk: (request: IncomingMessage) => boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const body = await route(options, mayAsk, request, gone.signal);
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  } catch (thrown) {
    if (gone.signal.aborted) return;
    const error = isMillraceError(thrown)
      ? thrown
      : new MillraceError("MR_INTERNAL", "It failed inside.", { cause: thrown });
    if (error.status >= 500) {
      options.log.warn({ err: thrown, url: request.url }, error.message);
    }
    // What is left of the body belongs to nobody.
    const rest = request.complete ? {} : { connection: "close" };
    response.writeHead(error.status, { "content-type": "application/json", ...rest });
    response.end(JSON.stringify(toWire(error)));
  }
}

async function route(
  { isReady, answer }: InnerServerOptions,
  mayAsk: (request: IncomingMessage) => boolean,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<string> {
  if (request.url === "/livez") return passed;
  if (request.url === "/readyz") {
    if (isReady()) return passed;
    throw new MillraceError("MR_DRAINING", "This box is not ready.");
  }
  if (!mayAsk(request)) throw peerUnknown();
  return await answer(request, signal);
}

/** Whoever is refused is told of in the log, but cannot fill it. */
function admission({ token, log, clock = systemClock }: InnerServerOptions) {
  let nextTellMs = Number.NEGATIVE_INFINITY;
  return ({ headers, socket }: IncomingMessage): boolean => {
    if (token === undefined || isPeerToken(token, headers[peerHeader])) return true;
    if (clock.monotonic() >= nextTellMs) {
      nextTellMs = clock.monotonic() + limits.refusalLogMs;
      log.warn({ address: socket.remoteAddress }, "somebody without the right secret was refused");
    }
    return false;
  };
}

const passed = JSON.stringify({ status: "pass" });

export const peerUnknown = (): MillraceError =>
  new MillraceError("MR_PEER_UNKNOWN", "This address is for the system's own hosts.", {
    remedy: "All of them must have the same MILLRACE_CLUSTER_SECRET.",
  });
