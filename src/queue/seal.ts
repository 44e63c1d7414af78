import { MillraceError } from "../lib/errors.ts";
import type { QueueEngine } from "./engine.ts";

/**
 * Why a queue is open to nobody but a move. It stands with the queue's data, whatever the engine:
 * so no process of any host can begin on a system that has been moved by half, or on one that goes
 * on elsewhere.
 */
export type Seal =
  | {
      readonly state: "filling";
      /** The identity of the queue whose events come here. */
      readonly from: string;
      /** Milliseconds since 1970. */
      readonly at: number;
    }
  | {
      readonly state: "moved";
      /** The identity of the queue that has its events, and its address without its password. */
      readonly to: string;
      readonly where: string;
      readonly at: number;
    };

export const sealText = (seal: Seal): string => JSON.stringify(seal);

/** As it was when the queue was opened. */
export const sealOf = ({ seal }: Pick<QueueEngine, "seal">): Seal | undefined =>
  seal === undefined ? undefined : JSON.parse(seal);

/** What whoever opens a sealed queue is told. */
export function queueSealed(seal: Seal): MillraceError {
  const when = new Date(seal.at).toISOString();
  return seal.state === "filling"
    ? new MillraceError(
        "MR_QUEUE_SEALED",
        `A move to this queue began at ${when}, and is not done.`,
        {
          remedy: "Call the same millrace move again: it goes on, and opens the queue at its end.",
        },
      )
    : new MillraceError("MR_QUEUE_SEALED", `The system was moved to ${seal.where} at ${when}.`, {
        remedy:
          "Start it there. To go on here, without what has happened since: millrace move APP --reopen",
      });
}
