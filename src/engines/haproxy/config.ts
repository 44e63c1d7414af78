import { isIP } from "node:net";
import type { Address } from "../../lib/address.ts";
import { type ErrorCodeName, errorCodes } from "../../lib/error-codes.ts";
import { allowedMethods } from "../../lib/http-refusals.ts";
import { limits } from "../../lib/limits.ts";

export interface HaproxyOptions {
  readonly system: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly gateways: readonly { readonly name: string; readonly address: Address }[];
  /** There other headers go on as they came, since signatures are about them. */
  readonly webhookPaths: readonly string[];
  /** What of a request's headers a gateway gets to see, besides those that begin with `ce-`. */
  readonly forwardedHeaders: readonly string[];
  readonly balance: "least-busy" | "round-robin";
  readonly connectionsPerAddress: number;
  /** How long what runs may take to end when HAProxy is told to stop. */
  readonly drainMs: number;
}

/**
 * A configuration for HAProxy 2.6 or later in place of the embedded load balancer: the same limits,
 * the same strictness where HAProxy would put right what is wrong and hide it from the gateways,
 * the same headers. What the gateways refuse themselves is theirs.
 */
export function haproxyConfig(options: HaproxyOptions): string {
  return [...head(options), ...front(options), ...back(options), ""].join("\n");
}

const ms = (value: number): string => `${value}ms`;
/** In single quotes HAProxy takes everything as it stands. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const plain = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** A refusal as the gateways tell it, under a status that HAProxy's own refusals can have. */
const refusals: Readonly<Record<number, ErrorCodeName>> = {
  400: "MR_HTTP_REFUSED",
  405: "MR_METHOD_NOT_ALLOWED",
  408: "MR_BODY_TIMEOUT",
  413: "MR_BODY_TOO_LARGE",
  500: "MR_INTERNAL",
  501: "MR_TRANSFER_CODING",
  502: "MR_GATEWAY_FAILED",
  503: "MR_GATEWAY_UNAVAILABLE",
  504: "MR_GATEWAY_TIMEOUT",
};

const problemPages = (): string[] =>
  Object.entries(refusals).map(([status, code]) => {
    const { slug, title } = errorCodes[code];
    const problem = { type: `/problems/${slug}`, title, status: Number(status), code };
    return `    http-error status ${status} content-type application/problem+json string ${quoted(JSON.stringify(problem))} hdr connection close`;
  });

function head({ system, drainMs }: HaproxyOptions): string[] {
  return [
    `# The load balancer of ${system}, written by: millrace deploy haproxy`,
    "# It wants HAProxy 2.6 or later. Check it with: haproxy -c -f FILE",
    "global",
    `    maxconn ${limits.connectionsMax}`,
    "    # Where this user may have fewer files open, fewer connections fit; that is no reason to stop.",
    "    no strict-limits",
    `    hard-stop-after ${ms(drainMs + limits.gatewayAnswerMs)}`,
    `    tune.bufsize ${limits.headerBytesMax + 1_024}`,
    "    tune.maxrewrite 1024",
    `    tune.http.maxhdr ${limits.headerCountMax - 1}`,
    "    log stdout format raw daemon notice",
    "",
    "defaults",
    "    mode http",
    "    log global",
    "    option httplog",
    "    option dontlognull",
    "    option http-keep-alive",
    "    option redispatch",
    `    timeout http-request ${ms(limits.headersTimeoutMs)}`,
    `    timeout http-keep-alive ${ms(limits.keepAliveMs)}`,
    `    timeout client ${ms(limits.answerTakenMs)}`,
    `    timeout connect ${ms(limits.gatewayConnectMs)}`,
    `    timeout queue ${ms(limits.gatewayConnectMs)}`,
    `    timeout server ${ms(limits.gatewayAnswerMs)}`,
    `    timeout check ${ms(limits.probeTimeoutMs)}`,
    ...problemPages(),
    "",
  ];
}

function front(options: HaproxyOptions): string[] {
  const { listen, connectionsPerAddress } = options;
  const methods = allowedMethods.join(" ");
  const host = String.raw`'^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$'`;
  const option = "(close|keep-alive|upgrade|te|http2-settings)";
  const connection = `'^\\s*${option}(\\s*,\\s*${option})*\\s*$'`;
  const coded = "{ req.hdr(transfer-encoding) -m found }";
  const ndjson = "{ req.hdr(content-type) -m beg -i application/x-ndjson }";
  const refuse = (status: number, condition: string) =>
    `    http-request deny deny_status ${status} ${condition}`;
  return [
    "frontend api",
    `    bind ${plain(listen.host)}:${listen.port}`,
    "    stick-table type ipv6 size 100k expire 60s store conn_cur",
    "    tcp-request connection track-sc0 src",
    `    tcp-request connection reject if { sc0_conn_cur gt ${connectionsPerAddress} }`,
    "",
    "    # What two parsers could read differently. HAProxy refuses the rest by itself.",
    refuse(405, `unless { method ${methods} }`),
    refuse(400, "unless { req.ver 1.0 1.1 }"),
    refuse(
      400,
      `if { req.fhdr(connection) -m found } !{ req.fhdr(connection) -m reg -i ${connection} }`,
    ),
    refuse(400, "if { req.hdr_cnt(host) gt 1 }"),
    refuse(400, `if { req.fhdr(host) -m found } !{ req.fhdr(host) -m reg -i ${host} }`),
    refuse(400, "if { req.ver 1.0 } { req.hdr(transfer-encoding) -m found }"),
    refuse(501, `if ${coded} !{ req.fhdr(transfer-encoding) -i chunked }`),
    refuse(400, `if ${coded} { req.hdr(content-length) -m found }`),
    refuse(400, `if { method GET HEAD DELETE } ${coded}`),
    refuse(400, "if { method GET HEAD DELETE } { req.body_size gt 0 }"),
    refuse(400, "if { req.fhdr(content-length) -m reg '^0[0-9]' }"),
    refuse(400, String.raw`if { req.hdrs -m reg -i '(^|\n)(constructor|[^:\n]*_[^:\n]*):' }`),
    refuse(400, String.raw`if { req.hdrs -m reg '[^\x09\x0a\x0d\x20-\x7e]' }`),
    ...singleHeaders.map((name) => refuse(400, `if { req.fhdr_cnt(${name}) gt 1 }`)),
    refuse(400, `if { url_len gt ${limits.urlBytesMax} }`),
    refuse(400, String.raw`if { url -m reg '[^\x21\x22\x24-\x5b\x5d-\x7e]' }`),
    refuse(400, "if { url -m reg -i '%(?![0-9a-f]{2})|%00|%0a|%0d' }"),
    refuse(400, String.raw`if { url -m reg -i '^(https?://[^/?]*)?[^?]*/(\.|%2e){2}(/|\?|$)' }`),
    refuse(400, "if !{ url -m reg -i '^(https?:/)?/[^/]|^/$' }"),
    refuse(400, "if { url -m reg -i '^https?://[^/?]*@' }"),
    refuse(400, "if { req.hdr(expect) -m found } !{ req.fhdr(expect) -i 100-continue }"),
    refuse(413, `if { req.body_size gt ${limits.bodyBytesMax} } !${ndjson}`),
    refuse(413, `if { req.body_size gt ${limits.ndjsonBytesMax} }`),
    "",
    ...headers(options),
    "",
    "    # Sent again to another gateway only where twice means once.",
    "    acl repeatable method GET HEAD OPTIONS DELETE",
    "    acl repeatable req.hdr(idempotency-key) -m found",
    "    acl repeatable req.hdr(ce-id) -m found",
    "    http-request disable-l7-retry unless repeatable",
    "    # What is small is read before a gateway is taken, so that it can be sent again.",
    `    http-request wait-for-body time ${ms(limits.bodyIdleMs)} at-least ${limits.headerBytesMax} if repeatable`,
    "    default_backend gateways",
    "",
  ];
}

/** Of these a second one is somebody's attempt to show different values to different readers. */
const singleHeaders = [
  "authorization",
  "content-type",
  "content-length",
  "transfer-encoding",
  "idempotency-key",
  "millrace-after",
  "millrace-at",
  "ce-id",
  "ce-source",
  "ce-type",
  "ce-specversion",
] as const;

/** An allow-list, and what only we may say. HAProxy itself takes care of a connection's own. */
function headers({ webhookPaths, forwardedHeaders }: HaproxyOptions): string[] {
  const own = ["host", "connection", "content-length", "transfer-encoding", "expect"];
  const known = [...own, ...forwardedHeaders].sort().join("|");
  const webhook = webhookPaths.length > 0;
  const ours = "^(?:forwarded|via|x-real-ip|x-forwarded-.*|millrace-.*|traceparent|tracestate)$";
  const all = webhook ? " unless webhook" : "";
  return [
    "    # A gateway sees what it knows, and of the client what we say.",
    ...(webhook ? [`    acl webhook path ${webhookPaths.join(" ")}`] : []),
    `    http-request del-header '^(?!(?:${known}|ce-.*)$)' -m reg${all}`,
    ...(webhook ? [`    http-request del-header '${ours}' -m reg if webhook`] : []),
    "    http-request set-header x-forwarded-for %[src]",
    "    http-request set-header x-forwarded-host %[req.hdr(host)]",
    "    http-request set-header x-forwarded-proto http",
    "    http-response del-header server",
    "    http-response del-header keep-alive",
    "    http-response del-header x-powered-by",
  ];
}

function back({ gateways, balance }: HaproxyOptions): string[] {
  const server = ({ name, address }: HaproxyOptions["gateways"][number]): string => {
    const at =
      "socketPath" in address
        ? `unix@${address.socketPath}`
        : `${plain(address.host)}:${address.port}`;
    // Variables of the environment are read in double quotes only.
    return `    server ${name} ${at.includes("$") ? `"${at}"` : at}`;
  };
  const down = limits.ejectAfterFailures;
  const isNamed = gateways.some(({ address }) => "host" in address && isIP(address.host) === 0);
  return [
    // Names may have no address yet, and another one later.
    ...(isNamed ? ["resolvers dns", "    parse-resolv-conf", "    hold valid 5s", ""] : []),
    "backend gateways",
    `    balance ${balance === "round-robin" ? "roundrobin" : "leastconn"}`,
    "    option httpchk GET /readyz",
    "    http-check expect status 200",
    "    retries 3",
    "    retry-on conn-failure empty-response junk-response",
    `    default-server check inter ${ms(limits.probeIntervalMs)} fall ${down} rise 1 observe layer4 error-limit ${down} on-error mark-down`,
    `    default-server maxconn ${limits.gatewayConnectionsMax} pool-purge-delay ${ms(limits.gatewayIdleMs)}`,
    ...(isNamed ? ["    default-server resolvers dns init-addr last,libc,none"] : []),
    ...gateways.map(server),
  ];
}
