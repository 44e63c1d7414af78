import type { IncomingMessage, ServerResponse } from "node:http";
import { type Client, forbidden, mayDo } from "../gateway/auth/client.ts";
import { isUtf8, parseMediaType } from "../gateway/media-type.ts";
import { MillraceError } from "../lib/errors.ts";
import type { ArrivalWatch } from "../lib/http/arrival-watch.ts";
import { readBody } from "../lib/http/whole-body.ts";
import { limits } from "../lib/limits.ts";
import { type Call, linesType } from "./call.ts";
import type { Match } from "./router.ts";

interface RequestParts {
  readonly client: Client;
  readonly match: Match;
  readonly arrivals: ArrivalWatch;
  readonly signal: AbortSignal;
}

/**
 * Checks what can be checked before the body, then reads it.
 *
 * @throws MR_FORBIDDEN, MR_REQUEST_INVALID, MR_MEDIA_TYPE, MR_BODY_TOO_LARGE, MR_BODY_TIMEOUT
 */
export async function readRequest(
  request: IncomingMessage,
  response: ServerResponse,
  { client, match, arrivals, signal }: RequestParts,
): Promise<Call> {
  const { route, params } = match;
  const query = queryOf(request.url ?? "/");
  if (route.namesWorkerInBody === undefined) {
    requireScope(client, route.method, params.worker ?? query.get("worker"));
  }
  const takesLines = wantsLines(request.headers.accept);
  const isRead = route.method === "GET";
  const body = isRead ? Buffer.alloc(0) : await bodyOf(request, response, arrivals);
  return { params, query, body, takesLines, client, signal };
}

/** @throws MR_FORBIDDEN */
export function requireScope(client: Client, method: string, worker: string | undefined): void {
  const action = method === "GET" ? "admin:read" : "admin:change";
  if (!mayDo(client, action, worker)) throw forbidden(action, worker);
}

function queryOf(url: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(url.split(/\?(.*)/s)[1] ?? "")) {
    if (query.has(name)) {
      throw new MillraceError("MR_REQUEST_INVALID", `${name.slice(0, 60)} stands there twice.`);
    }
    query.set(name, value);
  }
  return query;
}

const wantsLines = (accept = ""): boolean =>
  accept.split(",").some((item) => item.split(";", 1)[0]?.trim().toLowerCase() === linesType);

/**
 * A form of any page's can send a body of other types without asking first; of JSON it cannot, so
 * that is asked for even where the body may be empty.
 */
async function bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
  arrivals: ArrivalWatch,
): Promise<Buffer> {
  const { headers } = request;
  const type = headers["content-type"];
  const media = type === undefined ? undefined : parseMediaType(type);
  const isPlain = (headers["content-encoding"] ?? "identity").toLowerCase() === "identity";
  if (!isPlain || media?.essence !== "application/json" || !isUtf8(media)) {
    throw new MillraceError("MR_MEDIA_TYPE", "What changes something is sent as plain JSON.", {
      remedy: "Send it with the header content-type: application/json.",
    });
  }
  if (Number(headers["content-length"] ?? 0) > limits.bodyBytesMax) {
    throw new MillraceError(
      "MR_BODY_TOO_LARGE",
      `A body has at most ${limits.bodyBytesMax} bytes.`,
    );
  }
  if (headers.expect !== undefined) response.writeContinue();
  return await new Promise((resolve, reject) => {
    readBody(request, arrivals, (error, body = Buffer.alloc(0)) => {
      if (error === null) resolve(body);
      else reject(error);
    });
  });
}
