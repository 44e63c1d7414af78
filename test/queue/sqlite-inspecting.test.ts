/**
 * A process that opens the queue's file looks at it first. That another one makes the file grow
 * meanwhile, and writes its WAL into it, is no damage.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { openQueueFile, queueFileOf } from "../../src/engines/sqlite/queue-schema.ts";

it("takes no file for damaged that another process is writing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mr-inspecting-"));
  const over = new Int32Array(new SharedArrayBuffer(4));
  try {
    await (await openSqliteQueue({ folder, ballastBytes: 0 })).close();
    const url = new URL("./sqlite-inspecting-thread.ts", import.meta.url);
    const writer = new Worker(url, { workerData: { file: queueFileOf(folder), over } });
    await once(writer, "message");
    const faults: string[] = [];
    for (let n = 0; n < 400; n++) {
      try {
        openQueueFile(folder).close();
      } catch (error) {
        faults.push(String(error));
      }
    }
    Atomics.store(over, 0, 1);
    Atomics.notify(over, 0);
    await once(writer, "exit");
    expect(faults).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
