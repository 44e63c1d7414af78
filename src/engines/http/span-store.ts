import { Pool } from "undici";
import { type HostAddress, originOf } from "../../lib/address.ts";
import { isMillraceError, MillraceError } from "../../lib/errors.ts";
import { peerHeader } from "../../lib/http/peer-token.ts";
import { fromWire } from "../../lib/http/wire-error.ts";
import { limits } from "../../lib/limits.ts";
import type { SpanRecord, SpanStore } from "../../tracing/span-store.ts";

export interface HttpSpanStoreOptions {
  /** Where a host serves its store to all (`createSpanServer`). */
  readonly address: HostAddress;
  /** What that host wants to be shown. */
  readonly token: string | undefined;
}

/** The span store of another host. While that cannot be reached, spans are lost, as they may be. */
export function openHttpSpanStore({ address, token }: HttpSpanStoreOptions): SpanStore {
  const pool = new Pool(originOf(address), {
    connections: 2,
    connectTimeout: limits.linkConnectMs,
    headersTimeout: limits.spanSendMs,
    bodyTimeout: limits.spanSendMs,
  });
  const headers = {
    "content-type": "application/json",
    ...(token === undefined ? {} : { [peerHeader]: token }),
  };

  async function ask(method: "GET" | "POST", path: string, body?: string): Promise<string> {
    try {
      const answer = await pool.request({ method, path, headers, ...(body && { body }) });
      const text = await answer.body.text();
      if (answer.statusCode === 200) return text;
      throw fromWire(JSON.parse(text));
    } catch (cause) {
      throw unavailable(address, cause);
    }
  }

  return {
    async write(spans) {
      for (let at = 0; at < spans.length; at += limits.spanWriteRowsMax) {
        await ask("POST", "/spans", JSON.stringify(spans.slice(at, at + limits.spanWriteRowsMax)));
      }
    },
    trace: async (traceId): Promise<SpanRecord[]> =>
      JSON.parse(await ask("GET", `/traces/${encodeURIComponent(traceId)}`)),
    tracesOf: async (eventId): Promise<string[]> =>
      JSON.parse(await ask("GET", `/traces?${new URLSearchParams({ event: eventId })}`)),
    async close() {
      if (!pool.closed) await pool.close();
    },
  };
}

function unavailable(address: HostAddress, cause: unknown): MillraceError {
  const why = isMillraceError(cause) ? ` ${cause.message}` : "";
  return new MillraceError(
    "MR_TRACES_UNAVAILABLE",
    `The host that keeps the traces, ${address.host}, does not give them.${why}`,
    {
      cause,
      retryAfterSeconds: 1,
      remedy: "It runs the admin port with MILLRACE_LISTEN; MILLRACE_TRACES names it.",
    },
  );
}
