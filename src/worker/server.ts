import type { IncomingMessage } from "node:http";
import type { Address } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import { createInnerServer } from "../lib/http/inner-server.ts";
import type { Service } from "../lib/lifecycle.ts";
import type { Log } from "../lib/log.ts";
import type { Question } from "../lib/wire/messages.ts";
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
 * Serves a worker to the system's other boxes: over HTTP, and over connections on which gateways
 * ask the same in short.
 *
 *   GET /queries/{name}?…   with `millrace-after: 7:1, 3:22`
 *   GET /standing/{partition}/{position}?waitMs=
 *   POST /cancel?id=…&source=…&place=7:1
 *   GET /progress, /livez, /readyz
 */
export function createWorkerServer({ link, token, ...options }: WorkerServerParts): Service {
  const question = (asked: Question, signal: AbortSignal) => route(link, asked, signal);
  return createInnerServer({
    ...options,
    token,
    question,
    answer: (request, signal) => question(questionOf(request), signal),
  });
}

function questionOf({ method, url = "/", headers }: IncomingMessage): Question {
  const after = headers["millrace-after"];
  // All that is no reading has to be a POST.
  const asked = { method: method === "POST" ? ("POST" as const) : ("GET" as const), url };
  return typeof after === "string" && after !== "" ? { ...asked, after } : asked;
}

async function route(
  link: WorkerLink,
  { method, url, after }: Question,
  signal: AbortSignal,
): Promise<string> {
  const mark = url.indexOf("?");
  const [path, search] = mark < 0 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)];
  const [, first, second = "", third = ""] = path.split("/");
  switch (first) {
    case "queries":
      return await link.query(decodeURIComponent(second), search, placesOf(after), signal);
    case "standing": {
      const place = { partition: Number(second), position: Number(third) };
      const waitMs = Number(new URLSearchParams(search).get("waitMs") ?? 0);
      return JSON.stringify(await link.standing(place, waitMs, signal));
    }
    case "cancel":
      return JSON.stringify(await cancel(link, method, search, signal));
    case "progress":
      return JSON.stringify(await link.progress(signal));
    default:
      throw new MillraceError("MR_NOT_FOUND", `The worker has nothing at ${path}.`);
  }
}

async function cancel(
  link: WorkerLink,
  method: Question["method"],
  search: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (method !== "POST") throw new MillraceError("MR_METHOD_NOT_ALLOWED", "It takes a POST.");
  const parameters = new URLSearchParams(search);
  const id = parameters.get("id") ?? "";
  const source = parameters.get("source");
  const [place] = placesOf(parameters.get("place") ?? undefined);
  return await link.cancel(source === null ? { id } : { id, source }, place, signal);
}

/** Only our own gateway writes this, after it has checked the client's header. */
function placesOf(text: string | undefined): Place[] {
  if (text === undefined) return [];
  return text.split(",").map((place) => {
    const [partition, position] = place.split(":").map(Number);
    return { partition: partition ?? 0, position: position ?? 0 };
  });
}
