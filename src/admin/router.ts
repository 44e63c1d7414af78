import { MillraceError } from "../lib/errors.ts";
import type { Route } from "./call.ts";

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The route that takes a request.
 *
 * @throws MR_NOT_FOUND, MR_METHOD_NOT_ALLOWED, MR_REQUEST_INVALID
 */
export function findRoute(routes: readonly Route[], method: string, path: string): Match {
  const segments = path.split("/").map(decode);
  const here = routes.flatMap((route) => {
    const params = matchPath(route.path.split("/"), segments);
    return params === undefined ? [] : [{ route, params }];
  });
  if (here.length === 0) {
    throw new MillraceError("MR_NOT_FOUND", "There is nothing at this address.", {
      remedy: "The addresses of the admin API are those of dead letters and the queue.",
    });
  }
  const wanted = method === "HEAD" ? "GET" : method;
  const found = here.find(({ route }) => route.method === wanted);
  if (found !== undefined) return found;
  const allow = here
    .flatMap(({ route }) => (route.method === "GET" ? ["GET", "HEAD"] : [route.method]))
    .join(", ");
  throw new MillraceError("MR_METHOD_NOT_ALLOWED", `${method} has no meaning here.`, {
    remedy: `Allowed: ${allow}.`,
    extra: { allow },
  });
}

function matchPath(
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of pattern.entries()) {
    const segment = segments[at] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = segment;
    else if (part !== segment) return undefined;
  }
  return params;
}

/** An id may hold anything, slashes included, so each segment is decoded by itself. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new MillraceError("MR_REQUEST_INVALID", "The address cannot be decoded.", { cause });
  }
}
