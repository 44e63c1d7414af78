import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Address } from "../address.ts";
import { type Clock, systemClock } from "../clock.ts";
import { asError, isMillraceError, MillraceError } from "../errors.ts";
import type { Service } from "../lifecycle.ts";
import { limits } from "../limits.ts";
import { listen } from "../listen.ts";
import type { Log } from "../log.ts";
import { Answerer } from "../wire/answerer.ts";
import { type Answer, type Question, wirePath, wireProtocol } from "../wire/messages.ts";
import { isPeerToken, peerHeader } from "./peer-token.ts";
import { toWire } from "./wire-error.ts";

export interface InnerServerOptions {
  readonly listen: Address;
  /** What whoever asks has to show; undefined where only this machine's own can connect. */
  readonly token: string | undefined;
  readonly log: Log;
  /** Answers a request with JSON text; a `MillraceError` that it throws arrives as one. */
  readonly answer: (request: IncomingMessage, signal: AbortSignal) => Promise<string>;
  /** The same for questions of which many come over one connection; absent: there are none. */
  readonly question?: (question: Question, signal: AbortSignal) => Promise<string>;
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
  const wires = new Set<Answerer>();
  if (options.question !== undefined) takeWires(server, options, mayAsk, wires);
  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    for (const wire of wires) wire.end();
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

/** Connections over which many questions are asked at once (`wire/messages.ts`). */
function takeWires(
  server: Server,
  options: InnerServerOptions,
  mayAsk: (request: IncomingMessage) => boolean,
  wires: Set<Answerer>,
): void {
  const { question: ask } = options;
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const isWire = request.url === wirePath && request.headers.upgrade === wireProtocol;
    if (!isWire || ask === undefined) return refuse(socket, nothingAt(request.url));
    if (!mayAsk(request)) return refuse(socket, peerUnknown());
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${wireProtocol}\r\n\r\n`,
    );
    if (head.length > 0) socket.unshift(head);
    const wire = new Answerer({
      socket,
      answer: (question, signal) => told(ask(question, signal), question, signal, options.log),
      closed: () => wires.delete(wire),
      ended: () => wireAnswer(draining()),
    });
    wires.add(wire);
  });
}

function refuse(socket: Socket, error: MillraceError): void {
  // Whoever breaks off needs no answer.
  socket.on("error", () => {});
  const body = JSON.stringify(toWire(error));
  const head = `HTTP/1.1 ${error.status} Refused\r\ncontent-type: application/json\r\n`;
  const length = Buffer.byteLength(body);
  const whole = `${head}content-length: ${length}\r\nconnection: close\r\n\r\n${body}`;
  socket.end(whole, () => socket.destroy());
}

async function answer(
  options: InnerServerOptions,
  mayAsk: (request: IncomingMessage) => boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => {
    // Whoever has the answer has not gone, and an abort costs more than the whole answer.
    if (!response.writableEnded) gone.abort();
  });
  const { signal } = gone;
  const answering = route(options, mayAsk, request, signal);
  const { status, text } = await told(answering, request, signal, options.log);
  if (signal.aborted) return;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    // What is left of the body belongs to nobody.
    ...(status === 200 || request.complete ? {} : { connection: "close" }),
  });
  response.end(text);
}

/** What is answered, an error too. */
async function told(
  answer: Promise<string>,
  { url }: { readonly url?: string | undefined },
  signal: AbortSignal,
  log: Log,
): Promise<Answer> {
  try {
    return { status: 200, text: await answer };
  } catch (thrown) {
    const error = isMillraceError(thrown)
      ? thrown
      : new MillraceError("MR_INTERNAL", "It failed inside.", { cause: thrown });
    if (error.status >= 500 && !signal.aborted) log.warn({ err: thrown, url }, error.message);
    return wireAnswer(error);
  }
}

const wireAnswer = (error: MillraceError): Answer => ({
  status: error.status,
  text: JSON.stringify(toWire(error)),
});

async function route(
  { isReady, answer }: InnerServerOptions,
  mayAsk: (request: IncomingMessage) => boolean,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<string> {
  if (request.url === "/livez") return passed;
  if (request.url === "/readyz") {
    if (isReady()) return passed;
    throw draining();
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

const nothingAt = (url: string | undefined): MillraceError =>
  new MillraceError("MR_NOT_FOUND", `There is nothing at ${url}.`);

const draining = (): MillraceError => new MillraceError("MR_DRAINING", "This box is not ready.");

const passed = JSON.stringify({ status: "pass" });

export const peerUnknown = (): MillraceError =>
  new MillraceError("MR_PEER_UNKNOWN", "This address is for the system's own hosts.", {
    remedy: "All of them must have the same MILLRACE_CLUSTER_SECRET.",
  });
