/**
 * Hosts for tests: network namespaces of this machine, each with an address of its own on one
 * bridge, to which the test itself belongs, too. They share the machine's files and nothing of its
 * network, and one of them can be cut off.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Why there can be no hosts here; undefined where there can. */
export function hostsMissing(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return "hosts are network namespaces, which take Linux and root";
  }
  const probe = `mr-probe-${randomInt(1e9)}`;
  try {
    ip("netns", "add", probe);
    ip("netns", "del", probe);
    return undefined;
  } catch {
    return "hosts are network namespaces: apt-get install iproute2, and the right to make them";
  }
}

export interface Host {
  readonly name: string;
  readonly address: string;
  /** Runs a program there. */
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  /** Its cable is pulled: nothing comes and nothing goes, and nobody is told. */
  cutOff(): void;
  rejoin(): void;
  /** Every process of it is gone at once, as when its power fails. */
  kill(): void;
}

export interface HostNetwork extends Disposable {
  /** Where the hosts reach this machine itself, on which the test and its servers run. */
  readonly address: string;
  readonly hosts: ReadonlyMap<string, Host>;
  /** Adds lines to what every host finds in /etc/hosts. */
  know(lines: string): void;
}

/** Makes a network of hosts with these names; the first gets the address that ends in 11. */
export function hostNetwork(names: readonly string[]): HostNetwork {
  // Other tests may have networks at the same time.
  const [high, low] = [randomInt(64, 128), randomInt(256)];
  const id = `${high}-${low}`;
  const bridge = `mrb${id}`;
  const subnet = `10.${high}.${low}`;
  const made: string[] = [];
  const dispose = () => {
    for (const namespace of made) {
      for (const pid of pidsOf(namespace)) killQuietly(pid);
      ip("netns", "del", namespace);
      rmSync(etcOf(namespace), { recursive: true, force: true });
    }
    ip("link", "del", bridge);
  };
  ip("link", "add", bridge, "type", "bridge");
  try {
    ip("addr", "add", `${subnet}.1/24`, "dev", bridge);
    ip("link", "set", bridge, "up");
    const hosts = names.map((name, index): Host => {
      const namespace = `mr-${id}-${name}`;
      const cable = `mrv${id}-${index}`;
      const address = `${subnet}.${index + 11}`;
      ip("netns", "add", namespace);
      made.push(namespace);
      mkdirSync(etcOf(namespace), { recursive: true });
      writeFileSync(join(etcOf(namespace), "hosts"), "127.0.0.1 localhost\n");
      const inside = (...args: string[]) => ip("-n", namespace, ...args);
      ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      ip("link", "set", cable, "master", bridge, "up");
      inside("addr", "add", `${address}/24`, "dev", "eth0");
      inside("link", "set", "eth0", "up");
      inside("link", "set", "lo", "up");
      return {
        name,
        address,
        spawn: (command, args, options) =>
          spawn("ip", ["netns", "exec", namespace, ...named(name), command, ...args], options),
        cutOff: () => ip("link", "set", cable, "nomaster"),
        rejoin: () => ip("link", "set", cable, "master", bridge),
        kill: () => pidsOf(namespace).forEach(killQuietly),
      };
    });
    return {
      address: `${subnet}.1`,
      hosts: new Map(hosts.map((host) => [host.name, host])),
      know: (lines) => {
        for (const namespace of made) appendFileSync(join(etcOf(namespace), "hosts"), lines);
      },
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** What `ip netns exec` shows there in place of the files of the same names in /etc. */
const etcOf = (namespace: string): string => join("/etc/netns", namespace);

/** Gives a program's host its name. */
const named = (name: string): string[] => [
  ...["unshare", "--uts", "sh", "-c"],
  'hostname "$0" && exec "$@"',
  name,
];

const ip = (...args: string[]): string =>
  execFileSync("ip", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const pidsOf = (namespace: string): number[] =>
  ip("netns", "pids", namespace).split("\n").filter(Boolean).map(Number);

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}
