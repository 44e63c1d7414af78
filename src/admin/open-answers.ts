import type { IncomingMessage, ServerResponse } from "node:http";
import { problemPage } from "../lib/http/problem-page.ts";
import { pathOf } from "./call.ts";

/**
 * What is answered to anybody: probes come with neither a key nor a name that we know, and the page
 * of a problem says nothing of this system.
 *
 * @returns whether it was one of these
 */
export function answerOpen(
  request: IncomingMessage,
  response: ServerResponse,
  isReady: boolean,
): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  const path = pathOf(request);
  if (path === "/livez") sendHealth(response, true);
  else if (path === "/readyz") sendHealth(response, isReady);
  else {
    const page = problemPage(/^\/problems\/([a-z0-9-]+)$/.exec(path)?.[1] ?? "");
    if (page === undefined) return false;
    send(response, 200, "text/html; charset=utf-8", page);
  }
  return true;
}

const sendHealth = (response: ServerResponse, isWell: boolean): void =>
  send(
    response,
    isWell ? 200 : 503,
    "application/health+json",
    `{"status":"${isWell ? "pass" : "fail"}"}`,
  );

export function send(response: ServerResponse, status: number, type: string, text: string): void {
  const length = Buffer.byteLength(text);
  response.writeHead(status, { "content-type": type, "content-length": length }).end(text);
}
