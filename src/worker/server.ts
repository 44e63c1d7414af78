import type { IncomingMessage } from "node:http";
import type { Address } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import { createInnerServer } from "../lib/http/inner-server.ts";
import type { Service } from "../lib/lifecycle.ts";
import type { Log } from "../lib/log.ts";
import type { Place, WorkerLink } from "./link.ts";

export interface WorkerServerParts {
  readonly link: WorkerLink;
  readonly listen: Address;
  /** What gateways have to show, where other hosts can connect. */
  readonly token?: string | undefined;
  readonly log: Log;
  /** Whether this instance is ready: started, and not stopping. */
  readonly isReady: () => boolean;
}

/**
 * Serves a worker to the system's other boxes over HTTP.
 *
 *   GET /queries/{name}?…   with `millrace-after: 7:1, 3:22`
 *   GET /standing/{partition}/{position}?waitMs=
 *   POST /cancel?id=…&source=…&place=7:1
 *   GET /progress, /livez, /readyz
 */
export function createWorkerServer({ link, token, ...options }: WorkerServerParts): Service {
  const answer = (request: IncomingMessage, signal: AbortSignal) => route(link, request, signal);
  return createInnerServer({ ...options, token, answer });
}

async function route(
  link: WorkerLink,
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
