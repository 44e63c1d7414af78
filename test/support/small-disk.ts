import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Whether this process may mount file systems at all. */
const mayMount = (): boolean => process.platform === "linux" && process.getuid?.() === 0;

function mountPoint(): string {
  const folder = mkdtempSync(join(tmpdir(), "millrace-disk-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file system of a few MiB in memory; undefined where this process may not mount one. */
export function smallDisk(size: string): string | undefined {
  if (!mayMount()) return undefined;
  const folder = mountPoint();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  if (mounted.status !== 0) return undefined;
  onTestFinished(() => void execFileSync("umount", ["-l", folder]));
  return folder;
}

/** Mounts the file system of an image; undefined where this process may not. */
export function mountImage(image: string): (Disposable & { readonly folder: string }) | undefined {
  if (!mayMount()) return undefined;
  const folder = mountPoint();
  if (spawnSync("mount", ["-o", "loop", image, folder]).status !== 0) return undefined;
  let isMounted = true;
  const unmount = () => {
    if (isMounted) execFileSync("umount", ["-l", folder]);
    isMounted = false;
  };
  onTestFinished(unmount);
  return { folder, [Symbol.dispose]: unmount };
}

/** Makes an image with an empty ext4 file system; false where that cannot be made here. */
export function makeImage(image: string, size: string): boolean {
  if (!mayMount()) return false;
  if (spawnSync("truncate", ["-s", size, image]).status !== 0) return false;
  return spawnSync("mkfs.ext4", ["-q", "-F", image]).status === 0;
}
