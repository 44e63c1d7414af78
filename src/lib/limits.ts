import { httpLimits } from "./limits/http.ts";
import { queueLimits } from "./limits/queue.ts";
import { runtimeLimits } from "./limits/runtime.ts";
import { workerLimits } from "./limits/worker.ts";

/**
 * Every bound of the system, once, each with its reason. A name ends in its unit; counts end in
 * Max. What a user may change is a setting (runtime/config.ts) whose default stands here.
 */
export const limits = {
  ...httpLimits,
  ...queueLimits,
  ...workerLimits,
  ...runtimeLimits,
} as const;
