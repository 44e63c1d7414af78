import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Clock } from "../clock.ts";
import type { MillraceError } from "../errors.ts";
import { allowedMethods } from "../http-refusals.ts";
import { type Problem, problemMediaType, problemOf } from "../problem.ts";
import { endGently, isBodyComing } from "./end-gently.ts";

export interface ProblemAnswer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly error: MillraceError;
  readonly traceId: string | undefined;
  readonly instance: string;
  readonly baseUrl: string | undefined;
  /** Whether the connection ends with this answer. */
  readonly isLast: boolean;
  /** Beside those that follow from the problem, or instead of them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly lingerMs: number;
}

/** Answers with an RFC 9457 problem. Where the body has not come whole, the connection ends. */
export function answerProblem(answer: ProblemAnswer): void {
  const { request, response, error, traceId, instance, baseUrl } = answer;
  const problem = problemOf(error, {
    instance,
    ...(traceId === undefined ? {} : { traceId }),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  });
  const body = JSON.stringify(problem);
  const isLast = answer.isLast || isBodyComing(request);
  response.writeHead(problem.status, {
    "content-type": problemMediaType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...extraHeaders(problem, error),
    ...answer.headers,
    ...(isLast ? { connection: "close" } : {}),
  });
  endGently(answer, Buffer.from(body));
}

function extraHeaders(problem: Problem, error: MillraceError): Record<string, string> {
  if (problem.status === 405) return { allow: allowedMethods.join(", ") };
  if (problem.status !== 503 && problem.status !== 429) return {};
  return { "retry-after": String(error.retryAfterSeconds ?? 1) };
}

/** The same, for a connection on which no request could be parsed. */
export function rawProblem(error: MillraceError): string {
  const problem = problemOf(error);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? "Refused"}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
