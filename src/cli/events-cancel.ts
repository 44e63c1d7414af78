import { Api } from "./api.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

interface Call {
  readonly id: string;
  readonly url?: string;
  readonly source?: string;
  readonly output: Output;
}

export async function runCancel({ id, url, source, output }: Call): Promise<ExitCode> {
  const search = source === undefined ? "" : `?source=${encodeURIComponent(source)}`;
  const path = `/events/${encodeURIComponent(id)}${search}`;
  const { body } = await new Api(url).request(path, { method: "DELETE" });
  if (output.json) output.value(body);
  else output.line(`${id} is cancelled.`);
  return 0;
}
