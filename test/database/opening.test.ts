/**
 * All processes of a system open its files at its first start, and none of the files is there yet.
 * Whoever comes first makes them; the others wait for a moment and are not refused.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";

it("lets several open a new file at the same moment", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mr-opening-"));
  const threads = 2;
  const files = Array.from({ length: 300 }, (_, at) => join(folder, `${at}.db`));
  const arrived = new Int32Array(new SharedArrayBuffer(4 * files.length));
  try {
    const url = new URL("./opening-thread.ts", import.meta.url);
    const opening = Array.from({ length: threads }, async () => {
      const worker = new Worker(url, { workerData: { files, threads, arrived } });
      const [failures] = await once(worker, "message");
      return failures as string[];
    });
    expect((await Promise.all(opening)).flat()).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
