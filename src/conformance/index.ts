export {
  type CacheFeatures,
  type CachePlace,
  type CacheSubject,
  cacheConformance,
} from "./cache.ts";
export {
  type DatabaseFeatures,
  type DatabasePlace,
  type DatabaseSubject,
  databaseConformance,
} from "./database.ts";
export {
  type QueueFeatures,
  type QueuePlace,
  type QueueSubject,
  queueConformance,
} from "./queue.ts";
export { type SpanStoreSubject, spanStoreConformance } from "./span-store.ts";
export type { Feature, TestApi } from "./test-api.ts";
