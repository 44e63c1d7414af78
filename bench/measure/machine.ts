import { execFileSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "./statistics.ts";

/** What figures were measured on: without it they say nothing. */
export interface Machine {
  readonly system: string;
  readonly processor: string;
  readonly processors: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly fileSystem: string;
  /** The median time of an fdatasync behind a write of 4 KB. */
  readonly syncMs: number;
}

export const describeMachine = (folder: string): Machine => ({
  system: `${process.platform} ${release().split("-")[0]}`,
  processor: cpus()[0]?.model.trim() ?? "unknown",
  processors: availableParallelism(),
  memoryBytes: totalmem(),
  node: process.versions.node,
  fileSystem: fileSystemOf(folder),
  syncMs: syncMs(folder),
});

function fileSystemOf(folder: string): string {
  try {
    const options = ["--output=fstype", folder];
    return execFileSync("df", options, { encoding: "utf8" }).trim().split("\n")[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}

function syncMs(folder: string): number {
  const file = join(folder, "sync-probe");
  const descriptor = openSync(file, "w");
  try {
    const block = Buffer.alloc(4_096, 1);
    const times = Array.from({ length: 200 }, (_, at) => {
      const started = performance.now();
      writeSync(descriptor, block, 0, block.length, at * block.length);
      fdatasyncSync(descriptor);
      return performance.now() - started;
    });
    return Number(median(times).toFixed(3));
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}

/** In a line, for people. */
export const machineText = (machine: Machine): string =>
  [
    `${machine.processors} cores of ${machine.processor}`,
    `${Math.round(machine.memoryBytes / 2 ** 30)} GB`,
    `${machine.system} on ${machine.fileSystem} (fdatasync ${machine.syncMs} ms)`,
    `Node ${machine.node}`,
  ].join(", ");
