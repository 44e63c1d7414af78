/** One of two workers of pg-boss: jobs in batches, fetched again at once while there are more. */
import type { Note } from "./http.ts";
import { worker as queue } from "./packages.ts";
import { startBoss } from "./pg-boss.ts";
import { createEffects, insertAll } from "./postgres-effects.ts";

await createEffects();
const boss = await startBoss();
await boss.createQueue(queue);
const options = { batchSize: 100, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
await boss.work(queue, options, (jobs) => insertAll(jobs.map(({ data }) => data as Note)));
process.send?.("ready");
