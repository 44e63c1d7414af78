/** Fastify in front of graphile-worker: both workers' jobs are added in one call. */
import { createApp, listen } from "./http.ts";
import { load, server } from "./packages.ts";

interface Graphile {
  makeWorkerUtils(options: object): Promise<{
    migrate(): Promise<void>;
    addJobs(jobs: readonly object[]): Promise<unknown>;
  }>;
}

const { makeWorkerUtils } = await load<Graphile>("graphile-worker");
const utils = await makeWorkerUtils({ connectionString: server });
await listen(
  createApp(async (payload) => {
    await utils.addJobs(["a", "b"].map((identifier) => ({ identifier, payload })));
    return { accepted: true };
  }),
);
