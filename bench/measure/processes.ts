import { readdirSync, readFileSync } from "node:fs";

/** What a process has used of the processors, and holds of the memory, as /proc tells it. */
export interface Usage {
  readonly pid: number;
  readonly name: string;
  /** User and system time, in microseconds, to 10 ms. */
  readonly cpuUs: number;
  readonly residentBytes: number;
}

/** Of every machine that Linux runs on today: a hundredth of a second, and 4 KiB. */
const tickUs = 10_000;
const pageBytes = 4_096;

/** A process and everything that descends from it. Empty where there is no /proc. */
export function usageOfTree(root: number, nameOf: (commandLine: string[]) => string): Usage[] {
  const parents = new Map<number, number>();
  for (const pid of processIds()) {
    const parent = fieldsOf(pid)?.[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  const isWithin = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || isWithin(parents.get(pid)));
  return [...parents.keys()]
    .filter(isWithin)
    .flatMap((pid) => usageOf(pid, nameOf) ?? [])
    .toSorted((one, other) => one.name.localeCompare(other.name));
}

function usageOf(pid: number, nameOf: (commandLine: string[]) => string): Usage | undefined {
  const fields = fieldsOf(pid);
  const commandLine = read(`/proc/${pid}/cmdline`)?.split("\0");
  if (fields === undefined || commandLine === undefined) return undefined;
  // Counted from the state, which is the third field of /proc/PID/stat: see proc_pid_stat(5).
  const [user, system, resident] = [11, 12, 21].map((at) => Number(fields[at]));
  return {
    pid,
    name: nameOf(commandLine),
    cpuUs: ((user ?? 0) + (system ?? 0)) * tickUs,
    residentBytes: (resident ?? 0) * pageBytes,
  };
}

/** The fields behind the command's name, which may itself hold spaces and brackets. */
function fieldsOf(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

const processIds = (): number[] => {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
};

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "latin1");
  } catch {
    // The process has ended meanwhile.
    return undefined;
  }
}

/** What each name used between two looks; several processes of one name count together. */
export function cpuBetween(
  before: readonly Usage[],
  after: readonly Usage[],
): ReadonlyMap<string, number> {
  const earlier = new Map(before.map(({ pid, cpuUs }) => [pid, cpuUs]));
  const used = new Map<string, number>();
  for (const { pid, name, cpuUs } of after) {
    used.set(name, (used.get(name) ?? 0) + cpuUs - (earlier.get(pid) ?? 0));
  }
  return used;
}

export const residentBytes = (usages: readonly Usage[]): number =>
  usages.reduce((sum, usage) => sum + usage.residentBytes, 0);

/** What they hold together: a page that several processes share counts once among them. */
export const sharedBytes = (usages: readonly Usage[]): number =>
  usages.reduce((sum, { pid }) => {
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1];
    return sum + Number(kilobytes ?? 0) * 1_024;
  }, 0);
