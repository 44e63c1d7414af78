import { type LookupAddress, type LookupOptions, lookup as systemLookup } from "node:dns";
import { BlockList, isIP } from "node:net";
import { Agent, fetch } from "undici";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";

/** Addresses that are nobody's on the internet: ours, our network's, or reserved. */
const inner = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  inner.addSubnet(network, bits, "ipv4");
}
for (const [network, bits] of [
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  inner.addSubnet(network, bits, "ipv6");
}

/** False for private, loopback, link-local and reserved addresses, also mapped into IPv6. */
export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(.+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return isIP(mapped) === 4 && isPublicAddress(mapped);
  const family = isIP(address);
  return family !== 0 && !inner.check(address, family === 4 ? "ipv4" : "ipv6");
}

export type Lookup = (
  hostname: string,
  options: LookupOptions,
  done: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

const lookupAll: Lookup = (hostname, options, done) =>
  systemLookup(hostname, { ...options, all: true }, done);

/**
 * `fetch` for addresses that come from outside: the name is resolved once, every address it has is
 * checked, and the connection goes to a checked one, so that a second, different answer of the name
 * server changes nothing. Redirects are errors.
 */
export function publicFetch(lookup: Lookup = lookupAll): typeof globalThis.fetch {
  const agent = new Agent({
    connect: {
      lookup: (hostname, options, done) =>
        lookup(hostname, options, (error, addresses) => {
          if (error !== null) return done(error, []);
          const refused = addresses.find(({ address }) => !isPublicAddress(address));
          if (refused !== undefined) return done(notPublic(hostname), []);
          if (options.all === true) return done(null, addresses);
          const [first] = addresses;
          done(null, first?.address ?? "", first?.family);
        }),
    },
    connectTimeout: limits.jwksTimeoutMs,
  });
  return (async (input: string | URL, init?: object) => {
    const { hostname } = new URL(input);
    // An address that is written out is connected to without any look-up.
    const literal = hostname.replace(/^\[|\]$/g, "");
    if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw notPublic(hostname);
    return await fetch(input, { ...init, redirect: "error", dispatcher: agent });
  }) as unknown as typeof globalThis.fetch;
}

const notPublic = (hostname: string): MillraceError =>
  new MillraceError("MR_CONFIG_INVALID", `${hostname} is not an address on the internet.`, {
    remedy: "Allow private addresses in the settings if the issuer is on your own network.",
  });
