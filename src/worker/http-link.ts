import { Pool } from "undici";
import type { Address } from "../lib/address.ts";
import { type ErrorCodeName, errorCodes } from "../lib/error-codes.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { formatPlace, type Progress, type Standing, type WorkerLink } from "./link.ts";
import type { WireError } from "./server.ts";

/** All of them are safe to repeat. */
interface WireRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Record<string, string>;
}

export interface HttpWorkerLink extends WorkerLink {
  close(): Promise<void>;
}

/**
 * Reaches a worker's instances over HTTP, in turn; one that does not answer is passed by. Any
 * instance can answer anything, since all read one database.
 */
export function createHttpWorkerLink(name: string, instances: readonly Address[]): HttpWorkerLink {
  const pools = instances.map(poolOf);
  let turn = 0;

  const send = async (request: WireRequest, signal?: AbortSignal) => {
    let failure: unknown;
    for (let tried = 0; tried < pools.length; tried++) {
      const pool = pools[turn++ % pools.length];
      if (pool === undefined) break;
      try {
        return await ask(pool, request, signal);
      } catch (thrown) {
        if (thrown instanceof MillraceError && thrown.code !== "MR_DRAINING") throw thrown;
        if (signal?.aborted) throw thrown;
        failure = thrown;
      }
    }
    throw new MillraceError("MR_WORKER_UNAVAILABLE", `No instance of ${name} answers.`, {
      cause: failure,
      retryAfterSeconds: 1,
    });
  };

  return {
    name,
    async query(query, search, after, signal) {
      const headers =
        after.length === 0 ? {} : { "millrace-after": after.map(formatPlace).join(",") };
      const path = `/queries/${encodeURIComponent(query)}${search === "" ? "" : `?${search}`}`;
      return await send({ method: "GET", path, headers }, signal);
    },
    async standing({ partition, position }, waitMs, signal): Promise<Standing> {
      const path = `/standing/${partition}/${position}?waitMs=${waitMs}`;
      return JSON.parse(await send({ method: "GET", path }, signal));
    },
    async cancel({ id, source }, place, signal): Promise<boolean> {
      const parameters = new URLSearchParams({ id });
      if (source !== undefined) parameters.set("source", source);
      if (place !== undefined) parameters.set("place", formatPlace(place));
      return JSON.parse(await send({ method: "POST", path: `/cancel?${parameters}` }, signal));
    },
    async progress(signal): Promise<Progress> {
      return JSON.parse(await send({ method: "GET", path: "/progress" }, signal));
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.close()));
    },
  };
}

function poolOf(address: Address): Pool {
  const options = {
    connections: limits.linkConnectionsMax,
    keepAliveTimeout: limits.linkKeepAliveMs,
    headersTimeout: limits.requestTimeoutMs + limits.preferWaitSecondsMax * 1_000,
    bodyTimeout: limits.requestTimeoutMs,
  };
  if ("socketPath" in address) {
    return new Pool("http://worker", { ...options, socketPath: address.socketPath });
  }
  return new Pool(`http://${address.host}:${address.port}`, options);
}

async function ask(pool: Pool, request: WireRequest, signal?: AbortSignal): Promise<string> {
  const { statusCode, body } = await pool.request({
    ...request,
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await body.text();
  if (statusCode === 200) return text;
  throw fromWire(JSON.parse(text));
}

function fromWire(wire: WireError): MillraceError {
  const code = Object.hasOwn(errorCodes, wire.code) ? (wire.code as ErrorCodeName) : "MR_INTERNAL";
  return new MillraceError(code, wire.message, {
    faults: wire.faults,
    ...(wire.remedy === undefined ? {} : { remedy: wire.remedy }),
    ...(wire.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: wire.retryAfterSeconds }),
  });
}
