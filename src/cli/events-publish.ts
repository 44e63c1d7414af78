import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { systemClock } from "../lib/clock.ts";
import { isMillraceError, MillraceError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { Api } from "./api.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";
import { timeAhead } from "./queue-view.ts";

interface Call {
  readonly type: string;
  readonly data: string;
  readonly url?: string;
  readonly idempotencyKey?: string;
  readonly at?: string;
  readonly wait?: string;
  readonly output: Output;
}

interface PublishedReceipt {
  readonly id: string;
  readonly partition: number;
  readonly position: number;
  readonly durable: string;
  readonly duplicate?: boolean;
}

export async function runPublish(call: Call): Promise<ExitCode> {
  const { type, url, output, at, wait, idempotencyKey } = call;
  const api = new Api(url);
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
  if (at !== undefined) headers["millrace-at"] = timeAhead(at, systemClock.now());
  if (wait !== undefined) headers.prefer = `wait=${secondsOf(wait)}`;
  const body = await readData(call.data);
  const path = `/events/${encodeURIComponent(type)}`;
  try {
    const answer = await api.request(path, { method: "POST", headers, body });
    tell(answer.body as PublishedReceipt, { isApplied: answer.status === 200, output });
    return 0;
  } catch (error) {
    if (!isMillraceError(error, "MR_EVENT_UNKNOWN")) throw error;
    throw await withGuess(error, type, api);
  }
}

/** The data as it is given, from stdin, or from a file. Checked by the gateway, not here. */
async function readData(data: string): Promise<Uint8Array> {
  if (data === "-") return await buffer(process.stdin);
  if (!data.startsWith("@")) return Buffer.from(data);
  try {
    return await readFile(data.slice(1));
  } catch (cause) {
    throw new MillraceError("MR_USAGE", `The file ${data.slice(1)} cannot be read.`, { cause });
  }
}

function secondsOf(text: string): string {
  if (/^\d{1,4}$/.test(text)) return text;
  throw new MillraceError("MR_USAGE", `--wait is ${JSON.stringify(text)}, not whole seconds.`);
}

function tell(
  receipt: PublishedReceipt,
  { isApplied, output }: { readonly isApplied: boolean; readonly output: Output },
): void {
  if (output.json) {
    output.value(receipt, 0);
    return;
  }
  const { id, partition, position, durable, duplicate } = receipt;
  const what = duplicate ? "accepted before" : isApplied ? "applied by every worker" : "accepted";
  output.line(`${id}  ${what}, partition ${partition}, position ${position}, durable: ${durable}`);
  output.progress(`Its way: millrace trace ${id}`);
}

/** The types that the system accepts stand in its OpenAPI document. */
async function withGuess(error: MillraceError, type: string, api: Api): Promise<MillraceError> {
  const document = await api.request("/openapi.json").catch(() => undefined);
  const paths = Object.keys((document?.body as { paths?: object } | undefined)?.paths ?? {});
  const types = paths.flatMap((path) => /^\/events\/([^/{]+)$/.exec(path)?.[1] ?? []);
  const guess = didYouMean(type, types).trim();
  if (guess === "") return error;
  return new MillraceError(error.code, error.message, { cause: error, remedy: guess });
}
