/**
 * The published package works alone: packed, installed into an empty folder without running any
 * script, it runs the README's program and answers a request. Its production tree runs no scripts.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { waitOptions } from "../whole-picture/picture.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

/** The README's first program: the code block that exports a system. */
async function readmeProgram(): Promise<string> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const program = [...readme.matchAll(/```ts[^\n]*\n(.*?)```/gs)]
    .map(([, code]) => code ?? "")
    .find((code) => code.includes("defineSystem("));
  if (program === undefined) throw new Error("the README has no program");
  return program;
}

it("runs the README's program from the tarball alone", { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "mr-pack-"));
  try {
    const packed = await run(
      "npm",
      ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
      { cwd: root },
    );
    const [tarball] = JSON.parse(packed.stdout) as {
      filename: string;
      files: { path: string }[];
    }[];
    if (tarball === undefined) throw new Error("npm pack made nothing");
    expect(tarball.files.map(({ path }) => path)).not.toContain("src/index.ts");
    await writeFile(
      join(folder, "package.json"),
      JSON.stringify({ type: "module", private: true }),
    );
    await run(
      "npm",
      [
        "install",
        "--ignore-scripts",
        "--prefer-offline",
        "--no-audit",
        join(folder, tarball.filename),
      ],
      { cwd: folder },
    );
    const lock = JSON.parse(await readFile(join(folder, "package-lock.json"), "utf8"));
    const scripted = Object.entries(lock.packages as Record<string, { hasInstallScript?: boolean }>)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path);
    expect(scripted).toEqual([]);

    await writeFile(join(folder, "app.ts"), await readmeProgram());
    await answersOnce(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

async function answersOnce(folder: string): Promise<void> {
  const port = await freePort();
  const bin = join(folder, "node_modules/millrace/bin/millrace.mjs");
  const child = spawn(process.execPath, [bin, "start", "app.ts", "--port", String(port)], {
    cwd: folder,
    stdio: "pipe",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => (output += chunk));
  const exited = once(child, "exit");
  try {
    await vi.waitFor(async () => {
      if (child.exitCode !== null) throw new Error(output);
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      if (answer?.status !== 200) throw new Error(`not ready:\n${output}`);
    }, waitOptions);
    const api = await fetch(`http://127.0.0.1:${port}/openapi.json`);
    expect(api.status).toBe(200);
    expect(((await api.json()) as { openapi: string }).openapi).toBe("3.1.0");
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}
