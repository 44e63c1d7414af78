import type { IncomingMessage } from "node:http";
import { MillraceError } from "../lib/errors.ts";
import type { Deadline } from "./deadlines.ts";
import type { BalancerLimits } from "./limits.ts";

/** How many bytes of bodies all requests together may keep for a second attempt. */
export class ByteBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/**
 * A body that grows. It copies once there is more than one piece: a body sent in pieces of one byte
 * would otherwise be a million objects.
 */
export class BodyBuffer {
  #bytes: Buffer | undefined;
  #length = 0;
  #isOwn = false;

  get length(): number {
    return this.#length;
  }

  /** What came so far; undefined where nothing did. */
  get bytes(): Buffer | undefined {
    return this.#bytes?.subarray(0, this.#length);
  }

  append(piece: Buffer): void {
    if (this.#bytes === undefined) {
      this.#bytes = piece;
    } else {
      this.#reserve(this.#bytes, this.#length + piece.length);
      piece.copy(this.#bytes, this.#length);
    }
    this.#length += piece.length;
  }

  #reserve(bytes: Buffer, needed: number): void {
    if (this.#isOwn && needed <= bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * bytes.length));
    bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
    this.#isOwn = true;
  }
}

/** A request's body on its way through. */
export interface Body {
  readonly buffer: BodyBuffer;
  /** False where more will come, to be streamed on; the request is paused then. */
  isComplete: boolean;
  /** How much of it is charged to the budget. */
  charged: number;
}

export const noBody = (): Body => ({ buffer: new BodyBuffer(), isComplete: true, charged: 0 });

export interface BodyReading {
  readonly limits: BalancerLimits;
  readonly budget: ByteBudget;
  readonly deadline: Deadline;
  /** Whether it may be longer than what can be kept. */
  readonly isStream: boolean;
}

/**
 * Reads a body to keep it, so that its request can be sent a second time and a slow client costs no
 * gateway anything. A stream that grows too long to keep is left to be passed on from there.
 *
 * @returns the body, which grows until `done` is called
 */
export function readBody(
  request: IncomingMessage,
  reading: BodyReading,
  done: (error: MillraceError | undefined) => void,
): Body {
  const body: Body = { buffer: new BodyBuffer(), isComplete: false, charged: 0 };
  const { limits, deadline, budget, isStream } = reading;
  const finish = (error?: MillraceError) => {
    deadline.clear();
    request.off("data", onData).off("end", onEnd);
    if (!body.isComplete) request.pause();
    done(error);
  };
  const onEnd = () => {
    body.isComplete = true;
    finish();
  };
  const onData = (piece: Buffer) => {
    body.buffer.append(piece);
    const isTooLong = body.buffer.length > limits.bodyBytesMax;
    if (isTooLong && !isStream) return finish(bodyTooLarge(limits.bodyBytesMax));
    const isKept = !isTooLong && budget.take(piece.length);
    if (!isKept) return finish();
    body.charged += piece.length;
  };
  watchArrival(deadline, reading, () => body.buffer.length, finish);
  request.on("data", onData).on("end", onEnd);
  return body;
}

/**
 * Ends a body that comes too slowly: in each `bodyIdleMs` at least `bodyBytesPerIdleMin` must come,
 * and all of it in the time that a request or a stream has.
 */
export function watchArrival(
  deadline: Deadline,
  { limits, isStream }: Pick<BodyReading, "limits" | "isStream">,
  arrived: () => number,
  giveUp: (error: MillraceError) => void,
): void {
  let msLeft = isStream ? limits.ndjsonTimeoutMs : limits.requestTimeoutMs;
  let before = arrived();
  const wait = () => {
    const waitMs = Math.min(limits.bodyIdleMs, msLeft);
    deadline.set(waitMs, () => {
      msLeft -= waitMs;
      const bytes = arrived();
      if (msLeft <= 0 || bytes - before < limits.bodyBytesPerIdleMin) {
        return giveUp(new MillraceError("MR_BODY_TIMEOUT", "The body did not arrive in time."));
      }
      before = bytes;
      wait();
    });
  };
  wait();
}

export const bodyTooLarge = (bytesMax: number): MillraceError =>
  new MillraceError("MR_BODY_TOO_LARGE", `A body has at most ${bytesMax} bytes here.`);
