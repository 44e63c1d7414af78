/**
 * The data folder is made whole or not at all, and whatever is refused stays as it was, byte for
 * byte. Proven on real folders; a lock's holders are real processes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataFolderAt, dataFormat, openDataFolder } from "../../src/runtime/data-folder.ts";
import { lockBoxes } from "../../src/runtime/data-lock.ts";
import { until } from "./support/until.ts";

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "millrace-data-"));
  path = join(parent, "data");
});
afterEach(() => rmSync(parent, { recursive: true }));

/** Every file below a folder with its content, and every folder. */
function contentOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return [file, entry.isFile() ? readFileSync(file, "hex") : "folder"];
    }),
  );
}

describe("a new folder", () => {
  it("tells its format, belongs to its user alone, and opens again", async () => {
    const data = await openDataFolder(path);
    expect(JSON.parse(readFileSync(join(path, "millrace.json"), "utf8"))).toMatchObject({
      format: dataFormat,
      createdBy: expect.stringMatching(/^millrace \d/),
    });
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o700);
    const before = contentOf(path);
    expect((await openDataFolder(path)).queue).toBe(data.queue);
    expect(contentOf(path)).toEqual(before);
  });

  it("is made where a first start was cut off", async () => {
    mkdirSync(join(path, "run"), { recursive: true });
    writeFileSync(join(path, "millrace.json.1234"), "{");
    await openDataFolder(path);
    expect(readdirSync(path)).toContain("millrace.json");
  });
});

describe("what is refused stays as it was", () => {
  const whole = JSON.stringify({ format: dataFormat, createdBy: "millrace 0.1.0" });
  const cases = {
    "a newer format": [
      "MR_DATA_NEWER",
      { "millrace.json": '{"format":99,"createdBy":"millrace 9.0"}' },
    ],
    "no format": ["MR_DATA_DAMAGED", { "millrace.json": "{}" }],
    "a format that is no number": ["MR_DATA_DAMAGED", { "millrace.json": '{"format":"1"}' }],
    "a file that is cut off": ["MR_DATA_DAMAGED", { "millrace.json": whole.slice(0, 10) }],
    "an empty file": ["MR_DATA_DAMAGED", { "millrace.json": "" }],
    "no file beside data": ["MR_DATA_DAMAGED", { "queue/events.db": "events" }],
    "somebody else's folder": ["MR_DATA_UNUSABLE", { "package.json": "{}", "src/a.ts": "" }],
  } as const;
  it.each(Object.entries(cases))("%s", async (_name, [code, files]) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), content);
    }
    const before = contentOf(parent);
    await expect(openDataFolder(path)).rejects.toMatchObject({ code });
    expect(contentOf(parent)).toEqual(before);
  });

  it("a path through a file", async () => {
    writeFileSync(path, "a file");
    const before = contentOf(parent);
    await expect(openDataFolder(path)).rejects.toMatchObject({
      code: "MR_DATA_UNUSABLE",
      message: expect.stringContaining("a part of its path is a file"),
    });
    await expect(openDataFolder(join(path, "below"))).rejects.toMatchObject({
      code: "MR_DATA_UNUSABLE",
    });
    expect(contentOf(parent)).toEqual(before);
  });

  it.skipIf(process.platform !== "linux")("a folder in which nobody can write", async () => {
    await expect(openDataFolder("/sys/millrace")).rejects.toMatchObject({
      code: "MR_DATA_UNUSABLE",
    });
  });
});

describe("sockets", () => {
  it("have paths that the kernel takes, however deep the folder lies", async () => {
    const deep = join(parent, ...Array.from({ length: 8 }, () => "a-rather-long-name"));
    const data = await openDataFolder(deep);
    const socket = data.socket(`worker-${"n".repeat(100)}-12`);
    const server = createServer().listen(socket);
    await new Promise((resolve) => server.once("listening", resolve));
    server.close();
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    expect(dataFolderAt(deep).socket("gateway-1")).toBe(data.socket("gateway-1"));
    expect(data.socket("gateway-1")).not.toBe(data.socket("gateway-2"));
    rmSync(dirname(socket), { recursive: true });
  });
});

describe("locks", () => {
  const holderScript = fileURLToPath(new URL("./support/lock-holder.mjs", import.meta.url));
  const holders: ChildProcess[] = [];
  afterEach(() => {
    for (const holder of holders.splice(0)) holder.kill("SIGKILL");
  });

  /** A process that holds the locks of these boxes. */
  async function hold(...boxes: readonly string[]): Promise<ChildProcess> {
    const holder = spawn(process.execPath, [holderScript, path, ...boxes], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    holders.push(holder);
    let said = "";
    holder.stdout?.on("data", (text) => {
      said += text;
    });
    await until(() => said.includes("held"), "the lock is held");
    return holder;
  }

  it("keep a second supervisor away, naming the first, and let other boxes be run", async () => {
    const data = await openDataFolder(path);
    const holder = await hold("balancer", "gateway");
    await expect(lockBoxes(data, ["worker-a", "gateway"])).rejects.toMatchObject({
      code: "MR_DATA_UNUSABLE",
      message: expect.stringContaining(`pid ${holder.pid}`),
    });
    // What it had taken before it was refused, it has given back.
    await using _locks = await lockBoxes(data, ["worker-a"]);
  });

  it("of a killed process are no obstacle", async () => {
    const data = await openDataFolder(path);
    const holder = await hold("gateway");
    holder.kill("SIGKILL");
    await until(() => holder.exitCode !== null || holder.signalCode !== null, "it is gone");
    await using _locks = await lockBoxes(data, ["gateway"]);
  });

  it("are not kept by another process that got the same number later", async () => {
    const data = await openDataFolder(path);
    const holder = { pid: process.pid, began: "another boot 1", nonce: "x" };
    writeFileSync(join(data.run, "gateway.lock"), JSON.stringify(holder));
    await using _locks = await lockBoxes(data, ["gateway"]);
  });

  it("torn by a power cut are no obstacle", async () => {
    const data = await openDataFolder(path);
    writeFileSync(join(data.run, "gateway.lock"), "");
    await using _locks = await lockBoxes(data, ["gateway"]);
  });

  it("are given back, and leave nothing behind", async () => {
    const data = await openDataFolder(path);
    const locks = await lockBoxes(data, ["gateway", "worker-a"]);
    await locks[Symbol.asyncDispose]();
    expect(readdirSync(data.run)).toEqual([]);
  });

  it("go to one of many who find the same stale lock", async () => {
    const data = await openDataFolder(path);
    const stale = { pid: 2 ** 22 + 1, began: "gone", nonce: "stale" };
    writeFileSync(join(data.run, "gateway.lock"), JSON.stringify(stale));
    const attempts = Array.from({ length: 8 }, () => lockBoxes(data, ["gateway"]));
    const results = await Promise.allSettled(attempts);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});
