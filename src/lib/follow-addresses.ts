import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { type Address, formatAddress } from "./address.ts";
import type { Clock } from "./clock.ts";
import { limits } from "./limits.ts";

export interface FollowOptions {
  readonly clock: Clock;
  /** Hears the addresses when they are first known, and whenever they have changed. */
  readonly changed: (addresses: readonly Address[]) => void;
  /** All addresses of a name. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

export interface FollowedAddresses extends Disposable {
  /** Resolves once every name has been looked up for the first time. */
  readonly ready: Promise<void>;
}

/**
 * Turns names into addresses, and looks again now and then: behind one name there may be many
 * hosts, which come and go. A name that cannot be looked up keeps what was known of it, because
 * a name server that is down says nothing about the hosts.
 */
export function followAddresses(
  given: readonly Address[],
  { clock, changed, resolve = allAddresses }: FollowOptions,
): FollowedAddresses {
  const known = new Map<string, readonly string[]>();
  const names = new Set(
    given.flatMap((one) => ("host" in one && isIP(one.host) === 0 ? one.host : [])),
  );
  let told = "";
  const tell = () => {
    const found = given.flatMap((one): Address[] => {
      if (!("host" in one) || !names.has(one.host)) return [one];
      return (known.get(one.host) ?? []).map((host) => ({ host, port: one.port }));
    });
    const byText = new Map(found.map((one) => [formatAddress(one), one]));
    const text = [...byText.keys()].sort().join(" ");
    if (text === told) return;
    told = text;
    changed([...byText.values()]);
  };
  if (names.size === 0) {
    tell();
    return { ready: Promise.resolve(), [Symbol.dispose]: () => {} };
  }
  const look = async () => {
    const looking = [...names].map(async (name) => {
      const found = await resolve(name).catch(() => []);
      if (found.length > 0) known.set(name, found);
    });
    await Promise.all(looking);
    tell();
  };
  const ready = look();
  const timer = clock.every(limits.resolveIntervalMs, () => void look());
  return { ready, [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

/** Of one family only: a host with an address of each would otherwise count twice. */
async function allAddresses(name: string): Promise<string[]> {
  const found = await lookup(name, { all: true });
  return found.filter(({ family }) => family === found[0]?.family).map(({ address }) => address);
}
