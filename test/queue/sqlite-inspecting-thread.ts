/** Makes a queue file grow, and writes its WAL into it, again and again until it is told to end. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

const { file, over } = workerData as { readonly file: string; readonly over: Int32Array };
const db = new DatabaseSync(file, { timeout: 5_000 });
db.exec("create table if not exists growth (bytes blob)");
parentPort?.postMessage("begun");
// Between two turns the WAL is empty for a moment, as it is when nothing is written.
while (Atomics.wait(over, 0, 0, 3) === "timed-out") {
  db.exec("insert into growth values (zeroblob(20000))");
  db.exec("pragma wal_checkpoint(truncate)");
}
db.close();
