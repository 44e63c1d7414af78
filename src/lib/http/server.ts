import { chmod, unlink } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type Socket } from "node:net";
import { type Address, formatAddress } from "../address.ts";
import { MillraceError } from "../errors.ts";
import { httpRefusal, originForm } from "../http-refusals.ts";
import { limits } from "../limits.ts";
import { problemMediaType, problemOf } from "../problem.ts";

/**
 * Node's HTTP server with every limit set by us, and with the requests refused that its parser lets
 * through although another one might read them differently. `handler` sees what is left.
 *
 * `requestTimeout` is that of the longest request, a stream of lines; ordinary bodies have a
 * shorter one, kept where they are read.
 */
export function strictServer(handler: RequestListener, isBehindProxy: boolean): Server {
  const closing = new WeakSet<Socket>();
  const refuseOrHandle = (request: IncomingMessage, response: ServerResponse) => {
    // What was pipelined behind a refused request cannot be trusted; it may not be one at all.
    if (closing.has(request.socket)) return;
    const refusal = httpRefusal(request);
    if (refusal !== undefined) {
      closing.add(request.socket);
      return refuse(response, refusal);
    }
    // A whole URL of this host is as good as its path, and only paths are routed.
    if (request.url?.startsWith("/") === false) request.url = originForm(request.url);
    handler(request, response);
  };
  const server = createServer({
    insecureHTTPParser: false,
    // Ours to refuse, with a problem document.
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.ndjsonTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: 1_000,
    noDelay: true,
    // What announces no body is no stream: nothing is emitted for it, which nobody waits for.
    optimizeEmptyRequests: true,
  });
  server.maxHeadersCount = limits.headerCountMax;
  server.maxRequestsPerSocket = limits.requestsPerConnectionMax;
  server.maxConnections = limits.connectionsMax;
  server.on("request", refuseOrHandle);
  // Without these two listeners Node would answer `Expect` by itself, before anything is checked.
  server.on("checkContinue", refuseOrHandle);
  server.on("checkExpectation", refuseOrHandle);
  // Behind a proxy every connection has the proxy's address; the limit is kept there.
  if (!isBehindProxy) limitConnectionsPerAddress(server);
  return server;
}

/** A socket of our own machine has no address; there the limit is the other side's. */
function limitConnectionsPerAddress(server: Server): void {
  const connections = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress;
    if (address === undefined) return;
    const count = (connections.get(address) ?? 0) + 1;
    if (count > limits.connectionsPerAddressMax) return socket.destroy();
    connections.set(address, count);
    socket.once("close", () => {
      const left = (connections.get(address) ?? 1) - 1;
      if (left === 0) connections.delete(address);
      else connections.set(address, left);
    });
  });
}

/** Answers and ends the connection. */
function refuse(response: ServerResponse, refusal: MillraceError): void {
  const body = JSON.stringify(problemOf(refusal));
  response.writeHead(refusal.status, {
    "content-type": problemMediaType,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

/** What Node's parser refuses itself: told in the same form. */
export function answerParserError(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || socket.errored !== null) return void socket.destroy();
  const refusal = refusalOf(error.code);
  const body = JSON.stringify(problemOf(refusal));
  const head = [
    `HTTP/1.1 ${refusal.status} Refused`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

function refusalOf(code: string | undefined): MillraceError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new MillraceError("MR_HEADERS_TOO_LARGE", "The headers are too large.");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new MillraceError("MR_BODY_TIMEOUT", "The request did not arrive in time.");
    default:
      return new MillraceError("MR_HTTP_REFUSED", "The request is not HTTP/1.1.");
  }
}

/**
 * A socket file outlives a process that was killed. If nobody answers behind it, it is removed.
 *
 * @throws MR_PORT_TAKEN where somebody does
 */
export async function removeStaleSocket(address: Address): Promise<void> {
  if (!("socketPath" in address)) return;
  const { socketPath } = address;
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = connect(socketPath);
    probe.once("connect", () => resolve(undefined));
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    probe.once("close", () => probe.destroy());
  });
  if (code === undefined) throw portTaken(address);
  if (code === "ECONNREFUSED") await unlink(socketPath);
}

export const portTaken = (address: Address, cause?: unknown): MillraceError =>
  new MillraceError("MR_PORT_TAKEN", `${formatAddress(address)} is taken.`, {
    cause,
    remedy: "Stop the process that listens there, or choose another address.",
  });

/** Only this user's processes may connect to a socket file. */
export async function protectSocket(address: Address): Promise<void> {
  if ("socketPath" in address) await chmod(address.socketPath, 0o600);
}
