import { type ErrorCodeName, errorCodes } from "../lib/error-codes.ts";
import { type Fault, MillraceError } from "../lib/errors.ts";
import type { Config } from "./config.ts";
import type { SystemSummary } from "./summary.ts";
import type { ProcessPlan } from "./topology.ts";

/** Everything a box's process needs to know in order to begin. */
export interface Assignment {
  readonly plan: ProcessPlan;
  /** The names of all workers of the application, in its order. */
  readonly workerNames: readonly string[];
  /** The application's file, absolute. */
  readonly app: string;
  /** The data folder, absolute. */
  readonly data: string;
  readonly config: Config;
  /**
   * Unlike for each supervisor, the same for every process that it begins, again or not: it sees to
   * it that no two of them have one name at a time.
   */
  readonly run: string;
}

/** What the supervisor tells a box, over the channel between the two processes. */
export type ToBox =
  | { readonly kind: "begin"; readonly assignment: Assignment }
  /** Finish what runs, then end. */
  | { readonly kind: "drain" }
  /**
   * To the balancer: send this gateway nothing more, or send to it again. Answered by `gateway`.
   */
  | { readonly kind: "gateway"; readonly name: string; readonly serving: boolean };

/** A box has begun its work. */
export interface Ready {
  readonly kind: "ready";
  /** The port that it listens on, if it is one that people want to know. */
  readonly port?: number;
  /** The admin port, likewise. */
  readonly adminPort?: number;
  /** Of the application, where it was loaded by the box alone. */
  readonly summary?: SystemSummary;
}

/** What a box tells its supervisor. */
export type FromBox =
  | Ready
  /** The event loop turns. */
  | { readonly kind: "alive" }
  /** SIGTERM reached it. It goes on until it is told to drain. */
  | { readonly kind: "terminated" }
  /** Its work goes on: it has done some since it began. Told once. */
  | { readonly kind: "progress" }
  /** It ends because of this. */
  | { readonly kind: "failed"; readonly error: ErrorReport }
  /** From the balancer: the gateway has nothing in flight, or gets requests again. */
  | { readonly kind: "gateway"; readonly name: string; readonly serving: boolean };

/** An error as plain data: what survives the way between two processes. */
export interface ErrorReport {
  readonly code: ErrorCodeName | undefined;
  readonly message: string;
  readonly remedy: string | undefined;
  readonly faults: readonly Fault[];
  readonly stack: string | undefined;
}

export function reportOf(error: Error): ErrorReport {
  const { code, remedy, faults } = error as Partial<MillraceError>;
  const known = error.name === "MillraceError" && code !== undefined && code in errorCodes;
  return {
    code: known ? code : undefined,
    message: error.message,
    remedy: known ? remedy : undefined,
    faults: known ? (faults ?? []) : [],
    stack: error.stack,
  };
}

/** The reported error again; what was no operating error there becomes MR_START_FAILED here. */
export function errorOf(report: ErrorReport, box: string): MillraceError {
  const { code, message, remedy, faults, stack } = report;
  const text = code === undefined ? `${box} did not start: ${message}` : message;
  const error = new MillraceError(code ?? "MR_START_FAILED", text, {
    faults,
    ...(remedy === undefined ? {} : { remedy }),
  });
  if (stack !== undefined) error.stack = stack;
  return error;
}
