import type { IncomingMessage } from "node:http";
import type { Address } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import { createInnerServer } from "../lib/http/inner-server.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { SpanStore } from "./span-store.ts";

export interface SpanServerOptions {
  readonly store: SpanStore;
  readonly listen: Address;
  /** What other hosts have to show. */
  readonly token: string | undefined;
  readonly log: Log;
}

/**
 * Serves one host's span store to all others, so that a trace is whole wherever its hops were made.
 *
 *   POST /spans                  a JSON array of spans
 *   GET /traces/{trace id}       its spans
 *   GET /traces?event={id}       the ids of its traces
 */
export function createSpanServer({ store, ...options }: SpanServerOptions): Service {
  return createInnerServer({
    ...options,
    isReady: () => true,
    answer: (request) => answer(store, request),
  });
}

async function answer(store: SpanStore, request: IncomingMessage): Promise<string> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://traces");
  const [, first = "", traceId] = pathname.split("/");
  if (request.method === "POST" && first === "spans") {
    await store.write(await spansOf(request));
    return "{}";
  }
  if (request.method === "GET" && first === "traces") {
    const found = traceId
      ? await store.trace(traceId)
      : await store.tracesOf(searchParams.get("event") ?? "");
    return JSON.stringify(found);
  }
  throw new MillraceError("MR_NOT_FOUND", `The traces have nothing at ${pathname}.`);
}

/** They come from hosts that have shown the secret, so only their amount is checked. */
async function spansOf(request: IncomingMessage) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > limits.spanBodyBytesMax) {
      throw new MillraceError("MR_BODY_TOO_LARGE", "These are too many spans at once.");
    }
  }
  const spans: unknown = JSON.parse(Buffer.concat(chunks).toString());
  if (Array.isArray(spans)) return spans;
  throw new MillraceError("MR_REQUEST_INVALID", "Spans come as an array.");
}
