/** Reads the guides' code blocks and runs them as a reader would, in a folder of their own. */
import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RunningSystem } from "../../examples/running-system.ts";
import { repository } from "../support/project-folder.ts";

/**
 * A fenced block. What stands behind the language says what to do with it:
 * `ts file=app.ts` write it; `sh` run it; `sh start=accounts/balance?account=x` start the system
 * that it names and wait for that query; `sh norun` show it only; `output` what the block before it
 * prints, line by line, where `…` stands for anything.
 */
export interface Block {
  readonly language: string;
  readonly words: readonly string[];
  readonly text: string;
  readonly line: number;
}

export async function blocksOf(guide: string): Promise<Block[]> {
  const markdown = await readFile(join(repository, guide), "utf8");
  return [...markdown.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map((found) => ({
    language: found[1] ?? "",
    words: (found[2] ?? "").trim().split(/\s+/).filter(Boolean),
    text: found[3] ?? "",
    line: markdown.slice(0, found.index).split("\n").length,
  }));
}

export const wordValue = ({ words }: Block, name: string): string | undefined =>
  words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);

export async function writeBlock(folder: string, block: Block, name: string): Promise<void> {
  const file = join(folder, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, block.text);
}

/** Checks the types of everything written so far. Resolves to what tsc complains about. */
export async function checkTypes(folder: string): Promise<string> {
  const files = await readdir(folder);
  if (!files.some((name) => name.endsWith(".ts"))) return "";
  const options = {
    extends: join(repository, "tsconfig.json"),
    compilerOptions: { paths: {}, typeRoots: [join(repository, "node_modules/@types")] },
    include: [join(folder, "**/*.ts")],
    exclude: [join(folder, "node_modules")],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(options));
  const { output } = await run(join(repository, "node_modules/.bin/tsc"), ["-p", folder], {
    cwd: folder,
  });
  return output;
}

interface Ended {
  /** What it wrote on stdout; `complaints` is what it wrote on stderr. */
  readonly output: string;
  readonly complaints: string;
  readonly status: number | null;
}

/** Runs a shell block to its end, against a running system. */
export async function runShell(
  folder: string,
  text: string,
  { url, adminUrl }: Pick<RunningSystem, "url" | "adminUrl">,
): Promise<Ended> {
  const adapted = text
    .replaceAll("localhost:8080", new URL(url).host)
    .replaceAll("localhost:8090", new URL(adminUrl).host);
  const script = `set -euo pipefail\n${adapted}`;
  const bin = join(repository, "node_modules", ".bin");
  const path = `${join(folder, "node_modules", ".bin")}:${bin}:${process.env.PATH}`;
  const environment = {
    ...process.env,
    PATH: path,
    MILLRACE_DATA: join(folder, ".millrace"),
    MILLRACE_URL: url,
    NO_COLOR: "1",
  };
  return await run("bash", ["-c", script], { cwd: folder, env: environment });
}

async function run(
  command: string,
  parameters: readonly string[],
  options: SpawnOptions,
): Promise<Ended> {
  const child = spawn(command, parameters, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const ended = { output: "", complaints: "", status: null };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    ended.output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    ended.complaints += text;
  });
  const [status] = await once(child, "close");
  return { ...ended, status };
}

/** `…` in an expected line stands for anything within that line. */
export function fits(expected: string, actual: string): boolean {
  const pattern = expected
    .trimEnd()
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\n]*");
  return new RegExp(`^${pattern}$`).test(actual.trimEnd());
}
