import type { IncomingMessage } from "node:http";
import { peerHeader } from "../lib/http/peer-token.ts";
import { originForm } from "../lib/http-refusals.ts";

/**
 * What of a request's headers a gateway gets to see. Nothing else is sent on, because the next
 * header that somebody learns to trust would otherwise come from strangers.
 */
export const forwardedHeaders: readonly string[] = [
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "access-control-request-headers",
  "access-control-request-method",
  "authorization",
  "baggage",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-type",
  "cookie",
  "idempotency-key",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-unmodified-since",
  "last-event-id",
  "millrace-after",
  "millrace-at",
  "origin",
  "pragma",
  "prefer",
  "range",
  "referer",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "user-agent",
];

const forwarded = new Set(forwardedHeaders);

/**
 * What is never sent on, not even to a webhook, which otherwise sees what its sender sent: what
 * belongs to one connection (RFC 9110, section 7.6.1), and what only we may say.
 */
const withheld = new Set([
  "connection",
  "content-length",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-real-ip",
]);

const isForwarded = (name: string, isWebhook: boolean): boolean =>
  forwarded.has(name) ||
  name.startsWith("ce-") ||
  (isWebhook &&
    !withheld.has(name) &&
    !name.startsWith("millrace-") &&
    !name.startsWith("x-forwarded-"));

export interface OwnHeaders {
  readonly traceparent: string;
  /** Sent on only where the trace is the client's own. */
  readonly tracestate: string | undefined;
  /** The id that makes a publish safe to repeat. */
  readonly eventId: string | undefined;
  /** Shows gateways of other hosts that what stands here is ours. */
  readonly peer: string | undefined;
}

/** How the body goes on: not at all, as this many bytes, or in chunks. */
export type BodyFraming = "none" | "chunked" | number;

/**
 * The head of a request as it goes to a gateway, made anew from what was parsed. Names in
 * `Connection` are taken out before ours are put in, so that no client can remove those.
 */
export function requestHead(
  request: IncomingMessage,
  isWebhook: boolean,
  framing: BodyFraming,
  own: OwnHeaders,
): string {
  const { rawHeaders, headers, method, url = "/" } = request;
  const named = namedInConnection(headers.connection);
  const host = headers.host ?? "localhost";
  let head = `${method} ${originForm(url)} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? "";
    if (!isForwarded(name, isWebhook) || named?.has(name)) continue;
    head += `${name}: ${rawHeaders[at + 1]}\r\n`;
  }
  const client = clientAddress(request.socket.remoteAddress);
  head += `forwarded: for=${forwardedNode(client)};host="${host}";proto=http\r\n`;
  head += `x-forwarded-for: ${client}\r\nx-forwarded-host: ${host}\r\nx-forwarded-proto: http\r\n`;
  head += `traceparent: ${own.traceparent}\r\n`;
  if (own.tracestate !== undefined) head += `tracestate: ${own.tracestate}\r\n`;
  if (own.eventId !== undefined) head += `millrace-event-id: ${own.eventId}\r\n`;
  if (own.peer !== undefined) head += `${peerHeader}: ${own.peer}\r\n`;
  if (framing === "chunked") head += "transfer-encoding: chunked\r\n";
  else if (framing !== "none") head += `content-length: ${framing}\r\n`;
  return `${head}\r\n`;
}

function namedInConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === "keep-alive") return undefined;
  return new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
}

/** IPv4 addresses on a socket for both families look like IPv6 ones. */
const clientAddress = (address: string | undefined): string =>
  address?.replace(/^::ffff:(?=[0-9.]+$)/, "") ?? "unknown";

const forwardedNode = (client: string): string => (client.includes(":") ? `"[${client}]"` : client);

/** Of an answer: what belongs to the gateway's connection, or tells what the gateway is. */
const keptBack = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "server",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-powered-by",
]);

/** An answer's headers as the client gets them: names and values in turn. */
export function answerHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (!keptBack.has(name.toLowerCase())) kept.push(name, headers[at + 1] ?? "");
  }
  return kept;
}
