/** One of the two workers of graphile-worker, with its local queue of fetched jobs. */
import type { Note } from "./http.ts";
import { load, server, worker } from "./packages.ts";
import { createEffects, insertAll } from "./postgres-effects.ts";

interface Graphile {
  run(options: object): Promise<unknown>;
}

await createEffects();
const { run } = await load<Graphile>("graphile-worker");
const concurrentJobs = 24;
await run({
  preset: {
    worker: {
      connectionString: server,
      concurrentJobs,
      maxPoolSize: 20,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
  taskList: { [worker]: (note: Note) => insertAll([note]) },
  noHandleSignals: true,
});
process.send?.("ready");
