import { MillraceError } from "./errors.ts";
import { limits } from "./limits.ts";

/** A request as Node's parser hands it over: everything before the body. */
export interface RequestHead {
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

/** What the data port knows. Whatever else Node's parser lets through is answered 405. */
export const allowedMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/**
 * Refuses what Node's HTTP parser lets through although two parties could read it differently:
 * request smuggling starts there. Balancer and gateway ask before they route. After a refusal the
 * connection has to be closed, because what follows on it cannot be trusted.
 *
 * @returns undefined where the request is acceptable, else the error to answer with
 */
export function httpRefusal(head: RequestHead): MillraceError | undefined {
  const { rawHeaders, httpVersion, method = "", url = "" } = head;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    return new MillraceError("MR_HTTP_VERSION", "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
  }
  if (rawHeaders.length / 2 >= limits.headerCountMax) {
    const most = limits.headerCountMax - 1;
    return new MillraceError("MR_HEADERS_TOO_LARGE", `A request has at most ${most} headers.`);
  }
  if (!(allowedMethods as readonly string[]).includes(method)) {
    return new MillraceError("MR_METHOD_NOT_ALLOWED", `The method ${method} is not allowed.`, {
      remedy: `Allowed are ${allowedMethods.join(", ")}.`,
    });
  }
  // A list, since most requests have a handful: a map costs more than looking through it.
  const names: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? "";
    const refusal = refuseHeader(name, rawHeaders[at + 1] ?? "", names.includes(name));
    if (refusal !== undefined) return refusal;
    names.push(name);
  }
  const header: HeaderOf = (name) => {
    const at = names.indexOf(name);
    return at < 0 ? undefined : rawHeaders[2 * at + 1];
  };
  return (
    refuseFraming(header, httpVersion, method) ??
    refuseTarget(url) ??
    refuseHost(header("host"), httpVersion, url)
  );
}

/** The value of a header that stands there once at most. */
type HeaderOf = (name: string) => string | undefined;

/**
 * Headers whose values are lists, so that two of a kind mean the same as one. All others have one
 * value, and a second one is somebody's attempt to show different values to different readers.
 */
const listHeaders = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "baggage",
  "cache-control",
  "connection",
  "forwarded",
  "if-match",
  "if-none-match",
  "link",
  "pragma",
  "prefer",
  "te",
  "tracestate",
  "trailer",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

/**
 * What `Connection` may name. The last two are hop-by-hop by their own definition and never sent
 * on; Java's and Perl's stock clients name them in ordinary requests.
 */
const connectionOptions = new Set(["close", "keep-alive", "upgrade", "te", "http2-settings"]);

function refuseHeader(name: string, value: string, isRepeated: boolean): MillraceError | undefined {
  if (name.includes("_") || name === "constructor") {
    return headerInvalid(name, "has a name that is not allowed");
  }
  if (!/^[\t\x20-\x7e]*$/.test(value)) {
    return headerInvalid(name, "has characters outside ASCII", "Percent-encode them.");
  }
  if (isRepeated && !listHeaders.has(name)) return headerInvalid(name, "stands there twice");
  if (name === "connection") {
    const unknown = listItems(value).find((option) => !connectionOptions.has(option));
    if (unknown !== undefined) return refused("The Connection header names another header.");
  }
  if (name === "expect" && value.trim().toLowerCase() !== "100-continue") {
    return new MillraceError("MR_EXPECTATION", "The only expectation known is 100-continue.");
  }
  return undefined;
}

const listItems = (value: string): string[] =>
  value
    .toLowerCase()
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

/** How long the body is must be said once, plainly, and only where a body has a meaning. */
function refuseFraming(
  header: HeaderOf,
  httpVersion: string,
  method: string,
): MillraceError | undefined {
  const length = header("content-length");
  const coding = header("transfer-encoding");
  if (coding !== undefined) {
    if (length !== undefined) return refused("The body's length is given in two ways.");
    if (httpVersion === "1.0") return refused("HTTP/1.0 has no transfer codings.");
    if (coding === "") return refused("The Transfer-Encoding header is empty.");
    if (coding.toLowerCase() !== "chunked") {
      return new MillraceError("MR_TRANSFER_CODING", "The only transfer coding known is chunked.");
    }
  }
  if (length !== undefined && !/^(0|[1-9][0-9]*)$/.test(length)) {
    return refused("The Content-Length header is not a plain number.");
  }
  const hasBody = coding !== undefined || (length !== undefined && length !== "0");
  if (hasBody && (method === "GET" || method === "HEAD" || method === "DELETE")) {
    return refused(`A ${method} request has no body.`);
  }
  return undefined;
}

/** Most requests go where the one before went, which need not be looked at again. */
let lastGoodTarget = "";

/** Paths are matched, never normalised: what two parties might normalise differently is refused. */
function refuseTarget(url: string): MillraceError | undefined {
  if (url === lastGoodTarget) return undefined;
  if (url.length > limits.urlBytesMax) {
    return new MillraceError(
      "MR_URI_TOO_LONG",
      `The address is longer than ${limits.urlBytesMax} bytes.`,
    );
  }
  const target = originForm(url);
  if (!target.startsWith("/") || target.startsWith("//")) {
    return refused("The request's target is not a path.");
  }
  if (!/^[\x21\x22\x24-\x5b\x5d-\x7e]*$/.test(target)) {
    return refused("The request's target has a character that is not allowed.");
  }
  if (/%(?![0-9a-f]{2})|%00|%0a|%0d/i.test(target)) {
    return refused("The request's target has a percent-encoding that is not allowed.");
  }
  if (/^[^?]*\/(\.|%2e){2}([/?]|$)/i.test(target)) {
    return refused("The request's path has a segment that leads upwards.");
  }
  lastGoodTarget = url;
  return undefined;
}

const absoluteForm = /^https?:\/\/([^/?#]*)/i;

/** The target as path and query, also where it came as a whole URL (RFC 9112, section 3.2.2). */
export function originForm(url: string): string {
  if (url.startsWith("/")) return url;
  const absolute = absoluteForm.exec(url);
  if (absolute === null) return url;
  const target = url.slice(absolute[0].length);
  return target.startsWith("/") ? target : `/${target}`;
}

function refuseHost(
  host: string | undefined,
  httpVersion: string,
  url: string,
): MillraceError | undefined {
  if (host === undefined) {
    return httpVersion === "1.0" ? undefined : refused("The Host header is missing.");
  }
  if (!/^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$/i.test(host)) {
    return refused("The Host header is not a plain name with an optional port.");
  }
  const authority = url.startsWith("/") ? undefined : absoluteForm.exec(url)?.[1];
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    return refused("The request's target and its Host header name different hosts.");
  }
  return undefined;
}

const refused = (message: string): MillraceError => new MillraceError("MR_HTTP_REFUSED", message);

const headerInvalid = (name: string, what: string, remedy?: string): MillraceError =>
  new MillraceError(
    "MR_HEADER_INVALID",
    `The header ${name.slice(0, 60)} ${what}.`,
    remedy === undefined ? {} : { remedy },
  );
