import type { IncomingHttpHeaders } from "node:http";

/**
 * The `WWW-Authenticate` of an answer, where it has one. RFC 6750, section 3.1: what is wrong is
 * told only to those who showed something.
 */
export function challengeOf(status: number, headers: IncomingHttpHeaders): string | undefined {
  if (status === 403) return 'Bearer error="insufficient_scope"';
  if (status !== 401) return undefined;
  return headers.authorization === undefined ? "Bearer" : 'Bearer error="invalid_token"';
}
