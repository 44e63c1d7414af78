import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";

interface Ending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly lingerMs: number;
}

export function hasBody({ headers }: IncomingMessage): boolean {
  const { "content-length": length = "0", "transfer-encoding": coding } = headers;
  return length !== "0" || coding !== undefined;
}

/** Whether a part of the request's body has still to come. */
export const isBodyComing = (request: IncomingMessage): boolean =>
  !request.complete && hasBody(request);

/**
 * Ends an answer. Where the rest of the body is on its way, it is read and thrown away for a moment
 * first: closing on a client that is still sending resets the connection, and the answer is lost.
 * (Who waits for `100 Continue` sends nothing more.)
 */
export function endGently({ request, response, clock, lingerMs }: Ending, bytes?: Buffer): void {
  if (!isBodyComing(request) || (request.headers.expect !== undefined && !hasContinued(response))) {
    endAtOnce(response, bytes);
    return;
  }
  if (bytes !== undefined && bytes.length > 0) response.write(bytes);
  const finish = () => {
    timer[Symbol.dispose]();
    response.end();
  };
  const timer = clock.after(lingerMs, finish);
  request.once("end", finish).once("close", finish).resume();
}

/** Up to this many bytes, a body is copied behind its head: one write instead of two. */
const joinedBytesMax = 16_384;

function endAtOnce(response: ServerResponse, bytes: Buffer | undefined): void {
  if (bytes === undefined || bytes.length > joinedBytesMax) response.end(bytes);
  else response.end(bytes.toString("latin1"), "latin1");
}

/** Node keeps to itself whether it sent `100 Continue`; a body that began to arrive shows it. */
const hasContinued = (response: ServerResponse): boolean => response.req.readableDidRead;
