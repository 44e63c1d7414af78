import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";

/**
 * What an address of the queue says:
 * `nats://user:password@one:4222,two:4222,three:4222?replicas=3&monitor=8222`.
 */
export interface NatsAddress {
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Files: a user's credentials, the seed of an NKey, the authority that signed the servers. */
  readonly creds?: string;
  readonly nkey?: string;
  readonly ca?: string;
  /** Files of the certificate by which the servers know this client, and of its key. */
  readonly cert?: string;
  readonly key?: string;
  readonly stream: string;
  readonly replicas: number;
  /**
   * Ports of the servers' monitoring, which alone tells whether they sync: one for all, or one for
   * each; none where it was not said.
   */
  readonly monitor: readonly number[];
  readonly bytesMax: number;
}

const form = /^(nats|tls):\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/?(?:\?([^#]*))?$/;

/** @throws MR_CONFIG_INVALID, without the address itself: it may hold a password */
export function parseNatsAddress(text: string): NatsAddress {
  const [, scheme, user, hosts, query = ""] = form.exec(text) ?? [];
  if (hosts === undefined) throw invalid("it must look like nats://host:4222,host:4222?replicas=3");
  const parameters = new URLSearchParams(query);
  const take = (name: string) => {
    const value = parameters.get(name);
    parameters.delete(name);
    return value ?? undefined;
  };
  const address: NatsAddress = {
    servers: hosts.split(",").map(serverOf),
    tls: scheme === "tls",
    ...credentialsOf(user),
    ...given({ creds: take("creds"), nkey: take("nkey") }),
    ...given({ ca: take("ca"), cert: take("cert"), key: take("key") }),
    stream: named(take("stream") ?? "millrace"),
    replicas: whole("replicas", take("replicas") ?? "3", 1, 5),
    monitor: (take("monitor")?.split(",") ?? []).map((port) => whole("monitor", port, 1, 65_535)),
    bytesMax: whole("bytes", take("bytes") ?? String(limits.queueBytesMax), 1, 2 ** 53 - 1),
  };
  const [unknown] = parameters.keys();
  if (unknown !== undefined) throw invalid(`it knows no ${unknown}`);
  const { cert, key } = address;
  if ((cert === undefined) !== (key === undefined)) throw invalid("cert and key go together");
  return address;
}

/** What the client needs of an address; the files in it are read now. */
export async function connectionOptions(address: NatsAddress): Promise<ConnectionOptions> {
  const { servers, user, password, token } = address;
  const tls = await tlsOptions(address);
  const authenticator = await authenticatorOf(address);
  return {
    servers: [...servers],
    name: "millrace",
    // A queue that is gone comes back: whoever asks meanwhile is told to come again.
    maxReconnectAttempts: -1,
    reconnectTimeWait: limits.natsReconnectMs,
    // A server that stands still does not close its connections: it is noticed by its silence.
    pingInterval: limits.natsPingMs,
    maxPingOut: 2,
    timeout: limits.natsConnectMs,
    // Two errors would be made for every request, for their stacks.
    noAsyncTraces: true,
    ...(user === undefined ? {} : { user, pass: password ?? "" }),
    ...(token === undefined ? {} : { token }),
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** The client's, and what it hands on to Node beside them. */
type Tls = NonNullable<ConnectionOptions["tls"]> & {
  readonly checkServerIdentity: typeof checkServerIdentity;
};

/** Read now, so that a file that is missing is told by name. */
async function tlsOptions(address: NatsAddress): Promise<Tls | undefined> {
  const { tls, ca, cert, key, servers } = address;
  if (!tls && ca === undefined && cert === undefined) return undefined;
  const read = async (file: string | undefined) =>
    file === undefined ? undefined : Buffer.from(await contentOf(file)).toString("utf8");
  const files = { ca: await read(ca), cert: await read(cert), key: await read(key) };
  return { ...given(files), checkServerIdentity: identityCheck(servers) };
}

/**
 * The client names no host to Node where the server's is an IP address, and Node then asks the
 * certificate for `localhost`. Instead it must be for one of the servers of the address.
 */
function identityCheck(servers: readonly string[]): typeof checkServerIdentity {
  const hosts = servers.map((server) => server.slice(0, server.lastIndexOf(":")));
  const addresses = hosts
    .map((host) => host.replace(/^\[|\]$/g, ""))
    .filter((host) => isIP(host) > 0);
  return (host: string, certificate: PeerCertificate) => {
    const isUnnamed = host === "localhost" && !hosts.includes(host);
    const names = isUnnamed && addresses.length > 0 ? addresses : [host];
    const faults = names.map((name) => checkServerIdentity(name, certificate));
    return faults.includes(undefined) ? undefined : faults[0];
  };
}

async function authenticatorOf({ creds, nkey }: NatsAddress): Promise<Authenticator | undefined> {
  if (creds !== undefined) return credsAuthenticator(await contentOf(creds));
  if (nkey === undefined) return undefined;
  const seed = Buffer.from(await contentOf(nkey))
    .toString("utf8")
    .trim();
  return nkeyAuthenticator(Buffer.from(seed));
}

async function contentOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw invalid(`its file ${file} cannot be read`, cause);
  }
}

function serverOf(host: string): string {
  const [, name, port = "4222"] =
    /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(host) ?? [];
  if (name === undefined) throw invalid("one of its hosts is malformed");
  return `${name}:${port}`;
}

function credentialsOf(text: string | undefined): Partial<NatsAddress> {
  if (text === undefined || text === "") return {};
  const colon = text.indexOf(":");
  if (colon < 0) return { token: decoded(text) };
  return { user: decoded(text.slice(0, colon)), password: decoded(text.slice(colon + 1)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("what is before its @ has a % that begins no character");
  }
}

/** Names of streams are subjects' parts and the servers' files. */
function named(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw invalid("its stream has letters, digits, - and _");
  return text;
}

function whole(name: string, text: string, from: number, to: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= from && value <= to) return value;
  throw invalid(`its ${name} must be a whole number from ${from} to ${to}`);
}

const given = <Fields extends object>(fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: NonNullable<Fields[Name]>;
  };

const invalid = (what: string, cause?: unknown): MillraceError =>
  new MillraceError("MR_CONFIG_INVALID", `The address of the NATS queue is wrong: ${what}.`, {
    ...(cause === undefined ? {} : { cause }),
    remedy: "See docs/nats.md.",
  });
