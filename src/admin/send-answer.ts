import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import { type Answer, linesType } from "./call.ts";
import { send } from "./open-answers.ts";

/** Sends an answer; lines only as fast as the client takes them. */
export async function sendAnswer(
  answer: Answer,
  response: ServerResponse,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (answer.kind === "json") {
    const type = "application/json; charset=utf-8";
    return send(response, 200, type, `${JSON.stringify(answer.value)}\n`);
  }
  response.writeHead(200, { "content-type": linesType });
  if (response.req.method !== "HEAD") {
    for await (const value of answer.values) {
      if (!response.write(`${JSON.stringify(value)}\n`)) await drained(response, clock, signal);
      // The client sees by the missing end that this is not all.
      if (signal.aborted) return void response.destroy();
    }
  }
  response.end();
}

async function drained(response: ServerResponse, clock: Clock, signal: AbortSignal): Promise<void> {
  using _patience = clock.after(limits.answerTakenMs, () => response.destroy());
  await once(response, "drain", { signal }).catch(() => {});
}
