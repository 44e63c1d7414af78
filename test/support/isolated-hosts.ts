/**
 * Hosts of their own on this machine: network namespaces on one bridge, so that one can be cut off
 * from all others without any of its connections being closed. Takes root.
 */
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);
const ip = async (...args: readonly string[]): Promise<void> => {
  await run("ip", [...args]);
};

export interface IsolatedHosts extends AsyncDisposable {
  readonly addresses: readonly string[];
  /** What a host's programs are run through. */
  readonly wrap: (at: number) => readonly string[];
  /** Its cable is pulled: nothing goes in or out, and nobody is told. */
  cut(at: number): Promise<void>;
  heal(at: number): Promise<void>;
}

/** Undefined where this user cannot make them. */
export async function isolatedHosts(count: number): Promise<IsolatedHosts | undefined> {
  // Several test processes may do this at once: names and addresses are drawn.
  const drawn = randomInt(1, 250);
  const name = `mr${drawn}`;
  const network = `10.231.${drawn}`;
  const hosts = Array.from({ length: count }, (_, at) => at);
  const remove = async () => {
    for (const at of hosts) await ip("netns", "del", `${name}-${at}`).catch(() => {});
    await ip("link", "del", name).catch(() => {});
  };
  try {
    await ip("link", "add", name, "type", "bridge");
    await ip("addr", "add", `${network}.254/24`, "dev", name);
    await ip("link", "set", name, "up");
    for (const at of hosts) {
      const [space, cable] = [`${name}-${at}`, `${name}v${at}`];
      await ip("netns", "add", space);
      await ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space);
      await ip("link", "set", cable, "master", name, "up");
      await ip("-n", space, "addr", "add", `${network}.${at + 1}/24`, "dev", "eth0");
      await ip("-n", space, "link", "set", "eth0", "up");
      await ip("-n", space, "link", "set", "lo", "up");
    }
  } catch {
    await remove();
    return undefined;
  }
  return {
    addresses: hosts.map((at) => `${network}.${at + 1}`),
    wrap: (at) => ["ip", "netns", "exec", `${name}-${at}`],
    cut: (at) => ip("link", "set", `${name}v${at}`, "down"),
    heal: (at) => ip("link", "set", `${name}v${at}`, "up"),
    [Symbol.asyncDispose]: remove,
  };
}
