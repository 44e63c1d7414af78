import { type ErrorCodeName, errorCodes } from "../lib/error-codes.ts";
import { type Fault, MillraceError } from "../lib/errors.ts";
import { parseConfig } from "../runtime/config.ts";

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly Fault[];
}

/** The API of a running system, as the commands use it. */
export class Api {
  readonly #base: string;

  /** `--url`, else MILLRACE_URL, else this machine at MILLRACE_PORT. */
  constructor(url: string | undefined) {
    const { config } = parseConfig({}, process.env);
    const base = url ?? process.env.MILLRACE_URL ?? `http://127.0.0.1:${config.port}`;
    this.#base = base.replace(/\/+$/, "");
  }

  /**
   * @throws MR_GATEWAY_UNAVAILABLE where nobody answers; else the code that the problem carries
   */
  async request(
    path: string,
    options: {
      method?: "POST" | "DELETE";
      headers?: Record<string, string>;
      body?: Uint8Array;
    } = {},
  ): Promise<Answer> {
    const key = process.env.MILLRACE_KEY;
    const authorization: Record<string, string> =
      key === undefined ? {} : { authorization: `Bearer ${key}` };
    const { headers = {}, method = "GET", body } = options;
    let response: Response;
    try {
      response = await fetch(`${this.#base}${path}`, {
        method,
        headers: { ...authorization, ...headers },
        redirect: "error",
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      });
    } catch (cause) {
      throw new MillraceError("MR_GATEWAY_UNAVAILABLE", `Nobody answers at ${this.#base}.`, {
        cause,
        remedy: "Start the system (millrace start app.ts), or say where it is with --url.",
      });
    }
    const text = await response.text();
    const answer = { status: response.status, body: parsed(text) };
    if (response.ok) return answer;
    throw problemOf(answer);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function problemOf({ status, body }: Answer): MillraceError {
  const { code = "", title, detail, errors } = (typeof body === "object" ? body : {}) as Problem;
  const known = Object.hasOwn(errorCodes, code) ? (code as ErrorCodeName) : "MR_GATEWAY_FAILED";
  const message = detail ?? title ?? `The answer was ${status}.`;
  return new MillraceError(known, message, errors === undefined ? {} : { faults: errors });
}
