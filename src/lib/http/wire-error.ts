import { type ErrorCodeName, errorCodes } from "../error-codes.ts";
import { MillraceError } from "../errors.ts";

/** How an error travels between two boxes: whoever answers a client makes a problem of it. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly faults: MillraceError["faults"];
  readonly retryAfterSeconds?: number;
}

export function toWire(error: MillraceError): WireError {
  return {
    code: error.code,
    message: error.message,
    faults: error.faults,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(error.retryAfterSeconds === undefined
      ? {}
      : { retryAfterSeconds: error.retryAfterSeconds }),
  };
}

export function fromWire(wire: WireError): MillraceError {
  const code = Object.hasOwn(errorCodes, wire.code) ? (wire.code as ErrorCodeName) : "MR_INTERNAL";
  return new MillraceError(code, wire.message, {
    faults: wire.faults,
    ...(wire.remedy === undefined ? {} : { remedy: wire.remedy }),
    ...(wire.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: wire.retryAfterSeconds }),
  });
}
