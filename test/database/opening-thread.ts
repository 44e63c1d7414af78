/** Opens one new file after another, each at the same moment as its fellow threads. */
import { parentPort, workerData } from "node:worker_threads";
import { openSqlite } from "../../src/engines/sqlite/sqlite.ts";

const { files, threads, arrived } = workerData as {
  readonly files: readonly string[];
  readonly threads: number;
  /** File → how many threads stand ready to open it. */
  readonly arrived: Int32Array;
};

const failures: string[] = [];
for (const [at, file] of files.entries()) {
  Atomics.add(arrived, at, 1);
  while (Atomics.load(arrived, at) < threads);
  try {
    openSqlite(file).close();
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
}
parentPort?.postMessage(failures);
