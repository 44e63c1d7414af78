import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MillraceError } from "../lib/errors.ts";
import { rawProblem } from "../lib/http/answer-problem.ts";
import { limits as fixed } from "../lib/limits.ts";
import type { Forwarder } from "./forwarder.ts";
import type { BalancerLimits } from "./limits.ts";

/**
 * The server that clients talk to: Node's, with every limit set by us. How long a body may take is
 * kept where it is read, because Node's one limit for all requests would also end streams.
 */
export function inboundServer(forwarder: Forwarder, limits: BalancerLimits): Server {
  const server = createServer({
    insecureHTTPParser: false,
    // Ours to refuse, with a problem document.
    requireHostHeader: false,
    maxHeaderSize: fixed.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    noDelay: true,
    // What announces no body is no stream: nothing is emitted for it, which nobody waits for.
    optimizeEmptyRequests: true,
  });
  server.maxHeadersCount = fixed.headerCountMax;
  server.maxConnections = limits.connectionsMax;
  const handle = (request: IncomingMessage, response: ServerResponse) =>
    forwarder.handle(request, response, false);
  server.on("request", handle);
  // With these two listeners nothing is promised to a client before its request was checked.
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
    forwarder.handle(request, response, true),
  );
  server.on("checkExpectation", handle);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    answerParserError(error, socket as Socket, forwarder);
  });
  server.on("connect", (_request: IncomingMessage, socket: Socket) => {
    const error = new MillraceError("MR_METHOD_NOT_ALLOWED", "CONNECT has no meaning here.");
    socket.end(rawProblem(error), () => socket.destroy());
  });
  limitConnectionsPerAddress(server, limits.connectionsPerAddressMax);
  return server;
}

/** What Node's parser refuses by itself, told in our form; never into another answer. */
function answerParserError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  forwarder: Forwarder,
): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const refusal = refusalOf(error);
  if (forwarder.brokeOff(socket, refusal)) return;
  socket.end(rawProblem(refusal), () => socket.destroy());
}

function refusalOf({ code, reason }: NodeJS.ErrnoException & { reason?: string }): MillraceError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new MillraceError("MR_HEADERS_TOO_LARGE", "The headers are too large.");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new MillraceError("MR_BODY_TIMEOUT", "The request did not arrive in time.");
    case "HPE_INVALID_VERSION":
    case "HPE_PAUSED_H2_UPGRADE":
      return new MillraceError("MR_HTTP_VERSION", "The request is not HTTP/1.1.");
    default:
      return new MillraceError(
        "MR_HTTP_REFUSED",
        `The request is not HTTP/1.1${reason === undefined ? "" : `: ${reason}`}.`,
      );
  }
}

/** One address must not take all connections. IPv6 gives everybody a whole /64. */
function limitConnectionsPerAddress(server: Server, connectionsMax: number): void {
  const connections = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return;
    const network = networkOf(remoteAddress);
    const count = (connections.get(network) ?? 0) + 1;
    if (count > connectionsMax) return void socket.destroy();
    connections.set(network, count);
    socket.once("close", () => {
      const left = (connections.get(network) ?? 1) - 1;
      if (left === 0) connections.delete(network);
      else connections.set(network, left);
    });
  });
}

/** The address itself, or of an IPv6 address its first four groups. */
export function networkOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [front = "", back] = address.split("::");
  const groups = front.split(":");
  if (back !== undefined) {
    const behind = back === "" ? [] : back.split(":");
    while (groups.length + behind.length < 8) groups.push("0");
    groups.push(...behind);
  }
  return groups
    .slice(0, 4)
    .map((group) => group || "0")
    .join(":");
}
