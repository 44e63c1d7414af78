/**
 * Raw requests that Node's parser accepts, with the code each has to be answered with (undefined:
 * it has to pass). The names carry the row of the security baseline. Balancer and gateway are both
 * sent all of them.
 */
import type { ErrorCodeName } from "../../src/lib/error-codes.ts";
import { limits } from "../../src/lib/limits.ts";

export interface RefusalRow {
  readonly name: string;
  readonly raw: string;
  readonly code: ErrorCodeName | undefined;
}

const host = "Host: a.localhost";

/** A request from its lines; the body follows after the empty line. */
const raw = (line: string, headers: readonly string[], body = ""): string =>
  [line, ...headers, "", body].join("\r\n");

const get = (...headers: string[]) => raw("GET /livez HTTP/1.1", [host, ...headers]);
const target = (path: string) => raw(`GET ${path} HTTP/1.1`, [host]);
const post = (headers: readonly string[], body = "") =>
  raw("POST /events/a HTTP/1.1", [host, ...headers], body);
const withHost = (value: string) => raw("GET /livez HTTP/1.1", [`Host: ${value}`]);

const oneChunk = "1\r\na\r\n0\r\n\r\n";
const rows: Record<string, readonly [ErrorCodeName | undefined, string]> = {
  "N1: two Host headers": ["MR_HEADER_INVALID", get(host)],
  "N2: an empty Host": ["MR_HTTP_REFUSED", withHost("")],
  "N2: a Host with a space": ["MR_HTTP_REFUSED", withHost("a b")],
  "N2: a Host with a comma": ["MR_HTTP_REFUSED", withHost("a,b")],
  "N2: a Host with user info": ["MR_HTTP_REFUSED", withHost("user@a")],
  "N2: a Host with a path": ["MR_HTTP_REFUSED", withHost("a/b")],
  "N3: a whole URL of another host": ["MR_HTTP_REFUSED", target("http://b.test/livez")],
  "N3: a whole URL with user info": ["MR_HTTP_REFUSED", target("http://u@a.localhost/livez")],
  "N3: an ftp URL": ["MR_HTTP_REFUSED", target("ftp://a.localhost/livez")],
  "N4: HTTP/1.0 with chunks": [
    "MR_HTTP_REFUSED",
    raw("POST /events/a HTTP/1.0", [host, "Transfer-Encoding: chunked"], oneChunk),
  ],
  "N4: HTTP/1.0 with chunks, kept alive": [
    "MR_HTTP_REFUSED",
    raw(
      "POST /events/a HTTP/1.0",
      [host, "Connection: keep-alive", "Transfer-Encoding: chunked"],
      oneChunk,
    ),
  ],
  "N5: HTTP/0.9 with a version": ["MR_HTTP_VERSION", raw("GET /livez HTTP/0.9", [host])],
  "N5: HTTP/0.9 without a version": ["MR_HTTP_VERSION", "GET /livez\r\n\r\n"],
  "N5: HTTP/2.0": ["MR_HTTP_VERSION", raw("GET /livez HTTP/2.0", [host])],
  "N6: gzip, chunked": ["MR_TRANSFER_CODING", post(["Transfer-Encoding: gzip, chunked"], oneChunk)],
  "N6: an empty coding before chunked": [
    "MR_TRANSFER_CODING",
    post(["Transfer-Encoding: ,chunked"], oneChunk),
  ],
  "N7: GET with a length": ["MR_HTTP_REFUSED", `${get("Content-Length: 1")}a`],
  "N7: GET with chunks": ["MR_HTTP_REFUSED", `${get("Transfer-Encoding: chunked")}${oneChunk}`],
  "N7: HEAD with a body": [
    "MR_HTTP_REFUSED",
    raw("HEAD /livez HTTP/1.1", [host, "Content-Length: 1"], "a"),
  ],
  "N7: DELETE with a body": [
    "MR_HTTP_REFUSED",
    raw("DELETE /livez HTTP/1.1", [host, "Content-Length: 1"], "a"),
  ],
  "N8: two Content-Type headers": [
    "MR_HEADER_INVALID",
    post(["Content-Type: text/plain", "Content-Type: application/json", "Content-Length: 0"]),
  ],
  "N8: two Authorization headers": [
    "MR_HEADER_INVALID",
    get("Authorization: a", "authorization: b"),
  ],
  "N8: two Idempotency-Key headers": [
    "MR_HEADER_INVALID",
    post(["Idempotency-Key: a", "Idempotency-Key: b", "Content-Length: 0"]),
  ],
  "N8: two Millrace-After headers": [
    "MR_HEADER_INVALID",
    get("Millrace-After: 1", "Millrace-After: 2"),
  ],
  "N8: two ce-id headers": [
    "MR_HEADER_INVALID",
    post(["ce-id: 1", "Ce-Id: 2", "Content-Length: 0"]),
  ],
  "N9: a length with zeros in front": ["MR_HTTP_REFUSED", post(["Content-Length: 0003"], "abc")],
  "N10: Connection names content-length": [
    "MR_HTTP_REFUSED",
    post(["Connection: content-length", "Content-Length: 1"], "a"),
  ],
  "N10: Connection names x-forwarded-for": [
    "MR_HTTP_REFUSED",
    get("Connection: x-forwarded-for, authorization"),
  ],
  "N11: a name with an underscore": ["MR_HEADER_INVALID", get("x_a: 1")],
  "N11: a header named __proto__": ["MR_HEADER_INVALID", get("__proto__: 1")],
  "N11: a header named constructor": ["MR_HEADER_INVALID", get("constructor: 1")],
  "N11: 8-bit bytes in a value": ["MR_HEADER_INVALID", get("x-a: \xfc")],
  "N12: an expectation beside 100-continue": [
    "MR_EXPECTATION",
    post(["Expect: x 100-continue", "Content-Length: 1"], "a"),
  ],
  "N12: another expectation": ["MR_EXPECTATION", post(["Expect: x", "Content-Length: 1"], "a")],
  "N13: a fragment": ["MR_HTTP_REFUSED", target("/livez#a")],
  "N13: a backslash": ["MR_HTTP_REFUSED", target("/a\\b")],
  "N13: %00": ["MR_HTTP_REFUSED", target("/a%00")],
  "N13: %0d": ["MR_HTTP_REFUSED", target("/a%0D")],
  "N13: %0a": ["MR_HTTP_REFUSED", target("/a%0a")],
  "N13: %zz": ["MR_HTTP_REFUSED", target("/a%zz")],
  "N13: a percent sign at the end": ["MR_HTTP_REFUSED", target("/a%4")],
  "N13: two slashes in front": ["MR_HTTP_REFUSED", target("//a.localhost/livez")],
  "N13: a segment upwards": ["MR_HTTP_REFUSED", target("/a/../livez")],
  "N13: an encoded segment upwards": ["MR_HTTP_REFUSED", target("/a/%2e./livez")],
  "N13: an asterisk": ["MR_HTTP_REFUSED", target("*")],
  "N14: TRACE": ["MR_METHOD_NOT_ALLOWED", raw("TRACE /livez HTTP/1.1", [host])],
  "N14: QUERY": [
    "MR_METHOD_NOT_ALLOWED",
    raw("QUERY /livez HTTP/1.1", [host, "Content-Length: 0"]),
  ],
  "N14: M-SEARCH": ["MR_METHOD_NOT_ALLOWED", raw("M-SEARCH /livez HTTP/1.1", [host])],
  "N14: Upgrade is a plain request": [
    undefined,
    get("Connection: close, upgrade", "Upgrade: websocket"),
  ],
  "N15: trailers are ignored": [
    undefined,
    post(
      ["Connection: close", "Transfer-Encoding: chunked", "Trailer: authorization"],
      "1\r\na\r\n0\r\nauthorization: a\r\n\r\n",
    ),
  ],
  "N16: chunk extensions are invisible": [
    undefined,
    post(["Connection: close", "Transfer-Encoding: chunked"], "1;a=b\r\na\r\n0\r\n\r\n"),
  ],
  "N16: blank lines before the request": [undefined, `\r\n\r\n${get("Connection: close")}`],
  "N17: an empty Transfer-Encoding": [
    "MR_HTTP_REFUSED",
    post(["Transfer-Encoding:", "Content-Length: 1"], "a"),
  ],
  "N18: as many headers as the limit": [
    "MR_HEADERS_TOO_LARGE",
    get(...Array.from({ length: limits.headerCountMax - 1 }, (_, at) => `x-${at}: 1`)),
  ],
  "N18: more headers than the limit": [
    "MR_HEADERS_TOO_LARGE",
    get(...Array.from({ length: limits.headerCountMax + 20 }, (_, at) => `x-${at}: 1`)),
  ],
  "an address that is too long": ["MR_URI_TOO_LONG", target(`/${"a".repeat(limits.urlBytesMax)}`)],
  "a whole URL of the same host": [
    undefined,
    raw("GET http://a.localhost/livez HTTP/1.1", [host, "Connection: close"]),
  ],
  "a list header that stands there twice": [
    undefined,
    get("Accept: text/plain", "Accept: text/html", "Connection: close"),
  ],
  "a port and an IPv6 address as Host": [
    undefined,
    raw("GET /livez HTTP/1.1", ["Host: [::1]:8080", "Connection: close"]),
  ],
};

export const refusalRows: readonly RefusalRow[] = Object.entries(rows).map(
  ([name, [code, bytes]]) => ({ name, code, raw: bytes }),
);
