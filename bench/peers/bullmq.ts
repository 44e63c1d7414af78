import { load, server } from "./packages.ts";

interface Job {
  readonly data: unknown;
}

export interface BullMq {
  readonly Queue: new (
    name: string,
    options: object,
  ) => {
    add(name: string, data: unknown): Promise<unknown>;
  };
  readonly Worker: new (
    name: string,
    handle: (job: Job) => Promise<void>,
    options: object,
  ) => {
    waitUntilReady(): Promise<unknown>;
  };
}

const { hostname: host, port } = new URL(server);
export const bullmq = await load<BullMq>("bullmq");
export const connection = { host, port: Number(port), maxRetriesPerRequest: null };

/** Finished jobs are removed, as BullMQ's guide for production asks. */
export const openQueue = (name: string) =>
  new bullmq.Queue(name, {
    connection,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: 1_000 },
  });
