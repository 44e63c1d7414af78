import { type ErrorCodeName, errorCodes } from "./error-codes.ts";

/**
 * One fault in what was sent: a sentence, and a JSON Pointer fragment (`#/data/text`) to the place.
 */
export interface Fault {
  readonly detail: string;
  readonly pointer: string;
}

export interface ErrorDetails {
  readonly cause?: unknown;
  /** What to do about it, one or two sentences. */
  readonly remedy?: string;
  /** The single faults, where several were found at once. */
  readonly faults?: readonly Fault[];
  /** When trying again makes sense, in whole seconds. */
  readonly retryAfterSeconds?: number;
  /** Further members for a problem document. Never secrets, paths or stacks. */
  readonly extra?: ProblemMembers;
}

export type ProblemMembers = Readonly<
  Record<string, string | number | boolean | readonly string[]>
>;

/**
 * An operating error: something a person can understand and act on. Bugs are plain errors instead.
 */
export class MillraceError extends Error {
  override readonly name = "MillraceError";
  readonly code: ErrorCodeName;
  readonly remedy: string | undefined;
  readonly faults: readonly Fault[];
  readonly retryAfterSeconds: number | undefined;
  readonly extra: ProblemMembers;

  constructor(code: ErrorCodeName, message: string, details: ErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.remedy = details.remedy;
    this.faults = details.faults ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.extra = details.extra ?? {};
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get exitCode(): number {
    return errorCodes[this.code].exit;
  }

  /** The same error with some details changed. */
  with(details: ErrorDetails): MillraceError {
    const { cause, remedy, faults, retryAfterSeconds, extra } = this;
    const before = { cause, remedy, faults, retryAfterSeconds, extra } as ErrorDetails;
    return new MillraceError(this.code, this.message, { ...before, ...details });
  }

  /** The same error with every pointer moved below `prefix`, for an item of a batch (`#/3`). */
  within(prefix: string): MillraceError {
    const faults = this.faults.map((fault) => ({
      ...fault,
      pointer: `#${prefix}${fault.pointer.slice(1)}`,
    }));
    return this.with({ faults });
  }
}

export const isMillraceError = (error: unknown, code?: ErrorCodeName): error is MillraceError =>
  error instanceof MillraceError && (code === undefined || error.code === code);

/** What was thrown, as an `Error`, whatever it was. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });

/** RFC 6901, as a URI fragment: `#/data/text`. */
export function jsonPointer(
  path: readonly (PropertyKey | { readonly key: PropertyKey })[],
): string {
  const steps = path.map((step) => {
    const key = String(typeof step === "object" ? step.key : step);
    return `/${encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"))}`;
  });
  return `#${steps.join("")}`;
}

/** Fails loudly where the code itself is wrong. Stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The end of a switch over a closed set: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`);
}
