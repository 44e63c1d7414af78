import type { Route } from "../call.ts";
import type { AdminOptions } from "../options.ts";
import { Workers } from "../workers.ts";
import { auditRoutes } from "./audit.ts";
import { bulkRoutes } from "./bulk.ts";
import { letterRoutes } from "./dead-letter.ts";
import { listRoutes } from "./dead-letters.ts";
import { queueRoutes } from "./queue.ts";

/** Every address but those that anybody may ask. */
export function adminRoutes(options: AdminOptions): readonly Route[] {
  const tools = { ...options, workers: new Workers(options) };
  return [listRoutes, bulkRoutes, letterRoutes, queueRoutes, auditRoutes].flatMap((of) =>
    of(tools),
  );
}
