import { type ErrorCodeName, errorCodes } from "./error-codes.ts";
import { type Fault, isMillraceError, MillraceError } from "./errors.ts";

export const problemMediaType = "application/problem+json";

/** An RFC 9457 problem document, with the members that are ours. */
export interface Problem {
  /** `/problems/{slug}`, which the gateway serves as a page, or a type registered with IANA. */
  readonly type: string;
  /** Fixed for each type. */
  readonly title: string;
  readonly status: number;
  /** What happened, and what to do about it. */
  readonly detail: string;
  /** What the problem is about, such as the path of the request. */
  readonly instance?: string;
  readonly code: ErrorCodeName;
  readonly traceId?: string;
  readonly errors?: readonly Fault[];
  /** Members of single problem types, such as `retryAfterSeconds`. */
  readonly [member: string]: unknown;
}

export interface ProblemContext {
  readonly instance?: string;
  readonly traceId?: string;
  /** The public address of the system, without a slash at its end; types are absolute with it. */
  readonly baseUrl?: string;
}

/** Types that are registered for everybody say more to a client than ours. */
const registeredTypes: Partial<Record<ErrorCodeName, string>> = {
  MR_RATE_LIMITED: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  MR_OVERLOADED: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
};

/**
 * What a client is told about an error. Errors that are not ours become MR_INTERNAL. Nothing with
 * status 500 tells its message: it may hold a path, a statement or a secret, and the client can do
 * nothing with it. The log has it, under the same trace id.
 */
export function problemOf(error: unknown, context: ProblemContext = {}): Problem {
  const known = isMillraceError(error) ? error : new MillraceError("MR_INTERNAL", "");
  const { slug, title, status } = errorCodes[known.code];
  const { instance, traceId, baseUrl = "" } = context;
  return {
    ...(status === 500 ? {} : known.extra),
    type: registeredTypes[known.code] ?? `${baseUrl}/problems/${slug}`,
    title,
    status,
    detail: status === 500 ? `${title}. The server's log says more.` : detailOf(known),
    ...(instance === undefined ? {} : { instance }),
    code: known.code,
    ...(traceId === undefined ? {} : { traceId }),
    ...(known.faults.length === 0 ? {} : { errors: known.faults }),
  };
}

function detailOf(error: MillraceError): string {
  return error.remedy === undefined ? error.message : `${error.message} ${error.remedy}`;
}
