/**
 * A signal to stop that comes before the last box is ready: even where that box becomes ready while
 * the others still finish what runs, the system ends, and leaves nothing behind.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { Picture, waitOptions } from "./picture.ts";

it("ends although a worker becomes ready while the gateways drain", async () => {
  const app = "test/whole-picture/slow-start-app.ts";
  const folder = await mkdtemp(join(tmpdir(), "mr-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const hasBegun = join(folder, "begun");
  const environment = { MILLRACE_DRAIN_MS: "5000", SLOW_START_FILE: hasBegun };
  await using picture = await Picture.start(app, [], environment, "answering");
  expect((await picture.boxes()).map(({ name }) => name)).toContain("worker-slow-1");
  // A stream of lines that does not end keeps its gateway draining until the worker has begun.
  const stream = request(`${picture.url}/events/task.given`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
  });
  // It is broken off in the end.
  stream.on("error", () => {});
  stream.write('{"key":"a"}\n');
  expect(picture.output).not.toContain("  API  ");
  const stopped = picture.stop();
  // Nobody is let in any more.
  await vi.waitFor(() => expect(fetch(picture.url)).rejects.toThrow(), waitOptions);
  await writeFile(hasBegun, "");
  expect(await stopped).toBe(0);
  expect(await picture.boxes()).toEqual([]);
});
