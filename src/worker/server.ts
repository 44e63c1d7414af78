import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Address, listenOptions } from "../lib/address.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Place, WorkerLink } from "./link.ts";

/** How an error travels from a worker to the gateway, which alone makes a problem of it. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly faults: MillraceError["faults"];
  readonly retryAfterSeconds?: number;
}

export interface WorkerServerParts {
  readonly link: WorkerLink;
  readonly listen: Address;
  readonly log: Log;
  /** Whether this instance is ready: started, and not stopping. */
  readonly isReady: () => boolean;
}

/**
 * Serves a worker to the system's other boxes over HTTP, on a Unix socket or a private address. It
 * is no public interface: who may ask what is decided at the gateway.
 *
 *   GET /queries/{name}?…   with `millrace-after: 7:1, 3:22`
 *   GET /standing/{partition}/{position}?waitMs=
 *   POST /cancel?id=…&source=…&place=7:1
 *   GET /progress, /livez, /readyz
 */
export function createWorkerServer(parts: WorkerServerParts): Service {
  const server = createServer((request, response) => {
    answer(parts, request, response).catch((thrown) => {
      parts.log.error({ err: asError(thrown) }, "an answer of the worker broke off");
      response.destroy();
    });
  });
  server.keepAliveTimeout = limits.linkKeepAliveMs;
  server.headersTimeout = limits.headersTimeoutMs;
  server.requestTimeout = limits.requestTimeoutMs;
  return {
    start: () => listen(server, parts.listen),
    stop: () => close(server),
    [Symbol.asyncDispose]: () => close(server),
  };
}

function listen(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(listenOptions(address), () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await closed;
}

async function answer(
  parts: WorkerServerParts,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const body = await route(parts, request, gone.signal);
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  } catch (thrown) {
    if (gone.signal.aborted) return;
    const error = isMillraceError(thrown)
      ? thrown
      : new MillraceError("MR_INTERNAL", "The worker failed.", { cause: thrown });
    if (error.status >= 500) parts.log.warn({ err: thrown, url: request.url }, error.message);
    response.writeHead(error.status, { "content-type": "application/json" });
    response.end(JSON.stringify(toWire(error)));
  }
}

async function route(
  { link, isReady }: WorkerServerParts,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<string> {
  const [path = "", search = ""] = (request.url ?? "/").split(/\?(.*)/s);
  const [, first = "", second = "", third = ""] = path.split("/").map(decodeURIComponent);
  switch (first) {
    case "queries":
      return await link.query(second, search, placesOf(request.headers["millrace-after"]), signal);
    case "standing": {
      const place = { partition: Number(second), position: Number(third) };
      const waitMs = Number(new URLSearchParams(search).get("waitMs") ?? 0);
      return JSON.stringify(await link.standing(place, waitMs, signal));
    }
    case "cancel":
      return JSON.stringify(await cancel(link, request.method, search, signal));
    case "progress":
      return JSON.stringify(await link.progress(signal));
    case "livez":
      return JSON.stringify({ status: "pass" });
    case "readyz":
      if (isReady()) return JSON.stringify({ status: "pass" });
      throw new MillraceError("MR_DRAINING", `${link.name} is not ready.`);
    default:
      throw new MillraceError("MR_NOT_FOUND", `The worker has nothing at ${path}.`);
  }
}

async function cancel(
  link: WorkerLink,
  method: string | undefined,
  search: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (method !== "POST") throw new MillraceError("MR_METHOD_NOT_ALLOWED", "It takes a POST.");
  const parameters = new URLSearchParams(search);
  const id = parameters.get("id") ?? "";
  const source = parameters.get("source");
  const [place] = placesOf(parameters.get("place") ?? "");
  return await link.cancel(source === null ? { id } : { id, source }, place, signal);
}

/** Only our own gateway writes this header, after it has checked the client's. */
function placesOf(header: string | string[] | undefined): Place[] {
  if (typeof header !== "string" || header === "") return [];
  return header.split(",").map((text) => {
    const [partition, position] = text.split(":").map(Number);
    return { partition: partition ?? 0, position: position ?? 0 };
  });
}

function toWire(error: MillraceError): WireError {
  return {
    code: error.code,
    message: error.message,
    faults: error.faults,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(error.retryAfterSeconds === undefined
      ? {}
      : { retryAfterSeconds: error.retryAfterSeconds }),
  };
}
