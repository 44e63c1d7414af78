import type { Standing } from "../worker/link.ts";
import { Api } from "./api.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

interface Call {
  readonly id: string;
  readonly url?: string;
  readonly source?: string;
  readonly output: Output;
}

type KnownStanding = Standing | { readonly state: "unknown"; readonly error: string };

interface ShownEvent {
  readonly id: string;
  readonly source: string;
  readonly type?: string;
  readonly key?: string;
  readonly partition: number;
  readonly position: number;
  readonly acceptedAt: string;
  readonly state: string;
  readonly workers: Readonly<Record<string, KnownStanding>>;
}

export async function runShow({ id, url, source, output }: Call): Promise<ExitCode> {
  const search = source === undefined ? "" : `?source=${encodeURIComponent(source)}`;
  const path = `/events/${encodeURIComponent(id)}${search}`;
  const { body } = await new Api(url).request(path);
  if (output.json) {
    output.value(body);
    return 0;
  }
  const event = body as ShownEvent;
  const { type = "(no longer kept)", key = "", partition, position, acceptedAt, state } = event;
  output.line(`${output.paint("bold", event.id)}  ${type}  ${state}`);
  output.line(`  key        ${key}`);
  output.line(`  source     ${event.source}`);
  output.line(`  accepted   ${acceptedAt}, partition ${partition}, position ${position}`);
  const names = Object.keys(event.workers);
  const width = Math.max(8, ...names.map((name) => name.length));
  for (const [name, standing] of Object.entries(event.workers)) {
    output.line(`  ${name.padEnd(width)}   ${sentenceOf(standing)}`);
  }
  if (names.length === 0) output.line("  No worker handles it.");
  if (state === "scheduled") output.progress(`Not wanted any more: millrace events cancel ${id}`);
  output.progress(`Its way: millrace trace ${event.id}`);
  return 0;
}

function sentenceOf(standing: KnownStanding): string {
  switch (standing.state) {
    case "waiting":
      return "waiting for its turn";
    case "scheduled":
      return `scheduled for ${standing.at}`;
    case "cancelled":
      return "cancelled";
    case "done":
      return "done";
    case "retrying": {
      const { attempts, nextAttemptAt, error } = standing;
      return `retrying after ${attempts} attempts, next at ${nextAttemptAt}: ${error}`;
    }
    case "behind":
      return `waiting behind ${standing.eventId}, which has the same key`;
    case "dead":
      return `dead letter after ${standing.attempts} attempts: ${standing.error}`;
    case "unknown":
      return `unknown: ${standing.error}`;
  }
}
