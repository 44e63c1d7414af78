import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { peerUnknown } from "../lib/http/inner-server.ts";
import { isPeerToken, peerHeader } from "../lib/http/peer-token.ts";

/** What is believed of a request beyond what a client may say. */
export interface Trust {
  /** The id that the balancer stamped on it (`Millrace-Event-Id`). */
  readonly stamp: boolean;
  /** The client's address (`X-Forwarded-For`), as the proxies in front of us tell it. */
  readonly address: (forwarded: string) => string | undefined;
}

/** Whom a gateway believes what. Throws where whoever asks is not to ask at all. */
export type TrustOf = (request: IncomingMessage) => Trust;

/** Nobody but the balancer can connect. It writes the address itself, and as the only one. */
export const trusted: Trust = {
  stamp: true,
  address: (forwarded) => forwarded.split(",").at(-1)?.trim(),
};

/** What a client says counts for nothing. */
export const untrusted: Trust = { stamp: false, address: () => undefined };

export interface NetworkTrust {
  /** What the balancer shows; undefined where there is no balancer of ours. */
  readonly token: string | undefined;
  /** Addresses and networks of proxies in front. */
  readonly proxies: readonly string[];
}

/**
 * For a gateway that other hosts can reach: the balancer shows that it has the secret, and is
 * believed everything; a proxy is known by its address, and is believed the client's address and
 * nothing else; and everybody else is refused, except when they ask for its health. Without a
 * secret and without proxies it is on its own machine, and whoever asks is a client.
 */
export function networkTrust({ token, proxies }: NetworkTrust): TrustOf {
  if (token === undefined && proxies.length === 0) return () => untrusted;
  const known = networksOf(proxies);
  const isProxy = (address: string | undefined): boolean => {
    const plain = address?.replace(/^::ffff:(?=[0-9.]+$)/i, "") ?? "";
    const family = isIP(plain);
    return family !== 0 && known.check(plain, family === 4 ? "ipv4" : "ipv6");
  };
  const proxied: Trust = {
    stamp: false,
    // From the right: what stands left of the first address that is no proxy's, anyone can write.
    address(forwarded) {
      const hops = forwarded.split(",").map((hop) => hop.trim());
      return hops.findLast((hop) => !isProxy(hop)) ?? hops[0];
    },
  };
  return ({ headers, socket, url }) => {
    const shown = headers[peerHeader];
    if (token !== undefined && isPeerToken(token, shown)) return trusted;
    if (shown === undefined && isProxy(socket.remoteAddress)) return proxied;
    if (url === "/readyz" || url === "/livez") return untrusted;
    throw peerUnknown();
  };
}

function networksOf(proxies: readonly string[]): BlockList {
  const known = new BlockList();
  for (const proxy of proxies) {
    const [address = "", bits] = proxy.split("/");
    const family = isIP(address) === 4 ? "ipv4" : "ipv6";
    if (bits === undefined) known.addAddress(address, family);
    else known.addSubnet(address, Number(bits), family);
  }
  return known;
}
