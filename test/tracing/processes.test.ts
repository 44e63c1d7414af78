/**
 * One request's thirteen hops, recorded by two real processes that share nothing but a file of
 * spans and a traceparent handed from one to the other, are read back as the picture's thirteen.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteSpanStore } from "../../src/engines/sqlite/span-store.ts";
import { tracesOfEvent } from "../../src/tracing/trace-of-event.ts";
import { parseTraceparent } from "../../src/tracing/tracing.ts";
import { waterfallOf } from "../../src/tracing/waterfall.ts";
import { postId, thirteenNames } from "./reference-trace.ts";

const script = fileURLToPath(new URL("hops-process.ts", import.meta.url));
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-trace-"));
  file = join(folder, "traces.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(...parameters: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, file, ...parameters]);
  return stdout;
}

test("thirteen hops of two processes make one trace, once each, by their names", async () => {
  const handedOn = await run("front");
  await run("workers", handedOn);
  const store = await openSqliteSpanStore({ file });
  const [spans = []] = await tracesOfEvent(store, postId);
  await store.close();
  const waterfall = waterfallOf(spans);
  expect(waterfall?.hops.map(({ hop, name }) => `${hop} ${name}`)).toEqual(thirteenNames);
  expect(waterfall?.traceId).toBe(parseTraceparent(handedOn)?.traceId);
  expect(new Set(waterfall?.hops.map(({ pid }) => pid)).size).toBe(2);
  expect(waterfall?.hops[0]?.parentSpanId).toBe(null);
});

test("a trace that the first process does not sample is none in the second", async () => {
  const handedOn = await run("front");
  await run("workers", handedOn.replace(/01$/, "00"));
  const store = await openSqliteSpanStore({ file });
  const [spans = []] = await tracesOfEvent(store, postId);
  await store.close();
  expect(spans.map(({ hop }) => hop).toSorted()).toEqual([1, 2, 3, 4]);
});
