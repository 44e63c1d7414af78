import type { IncomingMessage } from "node:http";
import { originForm } from "../lib/http-refusals.ts";
import type { BalancerLimits } from "./limits.ts";

/** What follows from a request's head for its way through the balancer. */
export interface RequestPlan {
  readonly path: string;
  /** A POST that publishes events: an id makes it safe to repeat. */
  readonly isPublish: boolean;
  /** Its headers go on as they came, because signatures are about them. */
  readonly isWebhook: boolean;
  /** A stream of lines, which may be longer than what can be kept. */
  readonly isNdjson: boolean;
  /** The client's own key names the event; otherwise the balancer gives it an id. */
  readonly hasKey: boolean;
  /** Whether it may go to a second gateway once a byte went to a first. */
  readonly isSafeToRepeat: boolean;
  readonly bodyBytesMax: number;
}

/** `webhookPaths` publish events beside `/events` and `/events/{type}`. */
export function planOf(
  request: IncomingMessage,
  webhookPaths: ReadonlySet<string>,
  limits: BalancerLimits,
): RequestPlan {
  const { method, url = "", headers } = request;
  const path = originForm(url).split("?", 1)[0] ?? "";
  const isWebhook = webhookPaths.has(path);
  const isPublish = method === "POST" && (isWebhook || /^\/events(\/[^/]+)?$/.test(path));
  const isNdjson =
    isPublish && /^application\/x-ndjson\s*(;|$)/i.test(headers["content-type"] ?? "");
  // Cancelling is as safe to repeat as reading.
  const isRepeatable = /^(GET|HEAD|OPTIONS|DELETE)$/.test(method ?? "");
  return {
    path,
    isPublish,
    isWebhook,
    isNdjson,
    hasKey: headers["idempotency-key"] !== undefined,
    isSafeToRepeat: isPublish || isRepeatable,
    bodyBytesMax: isNdjson ? limits.ndjsonBytesMax : limits.bodyBytesMax,
  };
}

/** Whether an empty body has to be said, because one could be expected (RFC 9110, section 8.6). */
export const announcesEmptyBody = ({ method }: IncomingMessage): boolean =>
  method === "POST" || method === "PUT" || method === "PATCH";

/** A header that is a single text: Node joins lists, and what must not come twice was refused. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}
