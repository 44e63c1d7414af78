import { readdir, readFile, readlink } from "node:fs/promises";

/** The process that listens on a port. */
export interface PortHolder {
  readonly pid: number;
  /** How it was started, shortened for a message. */
  readonly command: string;
}

/**
 * Who listens on a TCP port of this machine, as far as `/proc` tells it: undefined on other
 * systems, and where the process is another user's.
 */
export async function portHolder(port: number): Promise<PortHolder | undefined> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(table, "utf8").catch(() => "");
    for (const inode of listeningInodes(text, port)) inodes.add(inode);
  }
  if (inodes.size === 0) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name));
  for (const pid of pids) {
    if (await holdsSocket(pid, inodes)) return { pid: Number(pid), command: await commandOf(pid) };
  }
  return undefined;
}

const listening = "0A";

/** The columns are: number, local address, remote address, state, …, inode (the tenth). */
function listeningInodes(table: string, port: number): string[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const isMatch = columns[1]?.endsWith(ending) && columns[3] === listening;
    return isMatch && columns[9] !== undefined ? [columns[9]] : [];
  });
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  for (const descriptor of await readdir(folder).catch(() => [])) {
    const target = await readlink(`${folder}/${descriptor}`).catch(() => "");
    const inode = /^socket:\[([0-9]+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

async function commandOf(pid: string): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return line.replaceAll("\0", " ").trim().slice(0, 100);
}
