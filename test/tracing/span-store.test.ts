/**
 * All span stores pass the conformance suite, that of another host over HTTP among them, which asks
 * for the secret and says when its host is gone; the SQLite one besides serves several connections
 * to one file, begins anew where the file is damaged or of another version, and waits for no lock
 * with the event loop standing still.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { spanStoreConformance } from "../../src/conformance/span-store.ts";
import { openHttpSpanStore } from "../../src/engines/http/span-store.ts";
import { openMemorySpanStore } from "../../src/engines/memory/span-store.ts";
import { openSqliteSpanStore } from "../../src/engines/sqlite/span-store.ts";
import { openSqlite } from "../../src/engines/sqlite/sqlite.ts";
import { peerToken } from "../../src/lib/http/peer-token.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createSpanServer } from "../../src/tracing/span-server.ts";
import type { SpanStore } from "../../src/tracing/span-store.ts";
import { freePort } from "../support/free-port.ts";
import { spanRecord } from "./span-records.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-spans-"));
  file = join(folder, "traces.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

spanStoreConformance(
  { describe, it },
  { name: "memory", open: async (options) => openMemorySpanStore(options) },
);
spanStoreConformance(
  { describe, it },
  { name: "SQLite", open: (options) => openSqliteSpanStore({ file, ...options }) },
);

spanStoreConformance(
  { describe, it },
  {
    name: "another host's",
    async open(options) {
      const { client, server } = await serve(openMemorySpanStore(options));
      return {
        ...client,
        async close() {
          await client.close();
          await server.stop();
        },
      };
    },
  },
);

const secret = "0123456789abcdef0123456789abcdef";

async function serve(store: SpanStore) {
  const address = { host: "127.0.0.1", port: await freePort() };
  const token = peerToken(secret, "traces");
  const server = createSpanServer({ store, listen: address, token, log: silentLog });
  await server.start();
  return { address, server, client: openHttpSpanStore({ address, token }) };
}

test("another host's store wants the secret for it, and says when it is gone", async () => {
  const { address, server, client } = await serve(openMemorySpanStore());
  for (const token of [undefined, peerToken(secret, "worker"), peerToken("other", "traces")]) {
    const stranger = openHttpSpanStore({ address, token });
    await expect(stranger.write([spanRecord()])).rejects.toMatchObject({
      code: "MR_TRACES_UNAVAILABLE",
      message: expect.stringContaining("for the system's own hosts"),
    });
    await stranger.close();
  }
  expect(await client.trace(spanRecord().traceId)).toEqual([]);
  await server.stop();
  await expect(client.trace(spanRecord().traceId)).rejects.toMatchObject({
    code: "MR_TRACES_UNAVAILABLE",
    retryAfterSeconds: 1,
  });
  await client.close();
});

describe("in SQLite", () => {
  test("what one connection writes, another reads", async () => {
    await using stores = await twoStores();
    await stores.one.write([spanRecord({ spanId: "1".repeat(16) })]);
    await stores.other.write([spanRecord({ spanId: "2".repeat(16) })]);
    expect(await stores.one.trace(spanRecord().traceId)).toHaveLength(2);
    expect(await stores.other.trace(spanRecord().traceId)).toHaveLength(2);
  });

  test("writes of several connections at once all arrive", async () => {
    await using stores = await twoStores();
    const many = Array.from({ length: 600 }, () => spanRecord());
    await Promise.all([stores.one.write(many), stores.other.write(many), stores.one.write(many)]);
    expect(await stores.one.trace(spanRecord().traceId)).toHaveLength(1_800);
  });

  test("a write waits for a lock without stopping the event loop", async () => {
    const store = await openSqliteSpanStore({ file });
    const blocker = openSqlite(file);
    blocker.exec("begin immediate");
    let written = false;
    const write = store.write([spanRecord()]).then(() => {
      written = true;
    });
    // Were the loop blocked, this turn would only come after the lock's time is up, with an error.
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBe(false);
    blocker.exec("commit");
    await write;
    expect(await store.trace(spanRecord().traceId)).toHaveLength(1);
    blocker.close();
    await store.close();
  });

  test("keeps what it has when opened again, and is its owner's alone", async () => {
    const before = await openSqliteSpanStore({ file });
    await before.write([spanRecord()]);
    await before.close();
    const after = await openSqliteSpanStore({ file });
    expect(await after.trace(spanRecord().traceId)).toHaveLength(1);
    await after.close();
    if (process.platform !== "win32") expect(statSync(file).mode & 0o077).toBe(0);
  });

  test("begins anew where the file is no database", async () => {
    writeFileSync(file, "this was a database once, until something wrote over it".repeat(100));
    const store = await openSqliteSpanStore({ file });
    await store.write([spanRecord()]);
    expect(await store.trace(spanRecord().traceId)).toHaveLength(1);
    await store.close();
  });

  test("begins anew where the file is of another version", async () => {
    const older = openSqlite(file);
    older.exec("create table spans (other text); pragma user_version = 77");
    older.close();
    const store = await openSqliteSpanStore({ file });
    await store.write([spanRecord()]);
    expect(await store.trace(spanRecord().traceId)).toHaveLength(1);
    await store.close();
  });

  test("a path that is a folder is an error with a code, not a crash", async () => {
    await expect(openSqliteSpanStore({ file: folder })).rejects.toMatchObject({
      code: "MR_DATA_UNUSABLE",
    });
  });
});

async function twoStores() {
  const one = await openSqliteSpanStore({ file });
  const other = await openSqliteSpanStore({ file });
  return {
    one,
    other,
    async [Symbol.asyncDispose]() {
      await one.close();
      await other.close();
    },
  };
}
