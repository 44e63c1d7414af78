import type { AdminOptions } from "../options.ts";
import type { Workers } from "../workers.ts";

/** What the routes work with. */
export interface RouteTools
  extends Pick<AdminOptions, "queue" | "cache" | "application" | "clock" | "log"> {
  readonly workers: Workers;
}
