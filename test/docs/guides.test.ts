/**
 * Every guide, and the README, does what it says: its files are written into an empty project,
 * their types are checked, the system is started as the guide starts it, and its commands are run
 * in order; where the guide shows what a command prints, that is what it prints.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type RunningSystem, startSystem } from "../../examples/running-system.ts";
import { projectFolder, repository } from "../support/project-folder.ts";
import {
  type Block,
  blocksOf,
  checkTypes,
  fits,
  runShell,
  wordValue,
  writeBlock,
} from "./guide.ts";

/** What the other guides are generated from is tested where it is generated. */
const notGuides = new Set(["errors.md", "configuration.md"]);

const guides = [
  "README.md",
  ...(await readdir(join(repository, "docs")))
    .filter((name) => name.endsWith(".md") && !notGuides.has(name))
    .map((name) => `docs/${name}`),
];

describe.each(guides)("%s", (guide) => {
  // A drill takes its time, and so does a slow machine.
  it("does what it says", { timeout: 240_000 }, async () => {
    await using folder = await projectFolder();
    await using reader = new Reader(guide, folder.path);
    for (const block of await blocksOf(guide)) await reader.follow(block);
    expect(await checkTypes(folder.path)).toBe("");
  });
});

/** Follows a guide block by block. */
class Reader implements AsyncDisposable {
  readonly #guide: string;
  readonly #folder: string;
  #system: RunningSystem | undefined;
  #printed = "";

  constructor(guide: string, folder: string) {
    this.#guide = guide;
    this.#folder = folder;
  }

  async follow(block: Block): Promise<void> {
    // What belongs on hosts of its own is followed there (test/hosts/scale-out.test.ts).
    if (wordValue(block, "host") !== undefined) return;
    const file = wordValue(block, "file");
    if (file !== undefined) return await writeBlock(this.#folder, block, file);
    if (block.language === "sh" && !block.words.includes("norun")) return await this.#run(block);
    if (block.language === "output") this.#compare(block);
  }

  async #run(block: Block): Promise<void> {
    const ready = wordValue(block, "start");
    if (ready !== undefined) return await this.#start(block, ready);
    const nowhere = { url: "http://localhost:8080", adminUrl: "http://localhost:8090" };
    const system = this.#system ?? nowhere;
    const { output, complaints, status } = await runShell(this.#folder, block.text, system);
    const where = `${this.#guide}:${block.line} ended with ${status}:\n${output}${complaints}`;
    expect(status, where).toBe(0);
    this.#printed = output;
  }

  async #start({ text }: Block, ready: string): Promise<void> {
    const app = /(\S+\.ts)/.exec(text)?.[1] ?? "app.ts";
    await this.#system?.stop();
    this.#system = await startSystem(join(this.#folder, app), {
      readyPaths: ready.split(",").map((path) => `/${path}`),
      data: join(this.#folder, ".millrace"),
      ...environmentOf(text),
    });
  }

  #compare({ text, line }: Block): void {
    const expected = text.trimEnd().split("\n");
    const actual = this.#printed.trimEnd().split("\n");
    const where = `${this.#guide}:${line} shows\n${text}\nbut this was printed:\n${this.#printed}`;
    expect(actual.length, where).toBe(expected.length);
    for (const [at, wanted] of expected.entries()) {
      expect(fits(wanted, actual[at] ?? ""), where).toBe(true);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#system?.stop();
  }
}

/** `NAME=value npx millrace start app.ts` */
function environmentOf(text: string): { environment?: Record<string, string> } {
  const found = [...text.matchAll(/(?:^|\s)([A-Z_]+)=(\S+)/g)];
  if (found.length === 0) return {};
  return { environment: Object.fromEntries(found.map(([, name, value]) => [name, value])) };
}
