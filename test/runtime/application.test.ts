/**
 * Loading an application tells every mistake with its place and its remedy. Proven in a process of
 * its own, because Node's type stripping is what is tested and the test runner would transform the
 * files itself.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const loader = fileURLToPath(new URL("./support/load-application.mjs", import.meta.url));
const millrace = new URL("../../src/index.ts", import.meta.url).href;

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "millrace-app-")));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Loaded {
  readonly name?: string;
  readonly code?: string;
  readonly message: string;
  readonly remedy: string;
}

function load(name: string, text?: string): Loaded {
  const file = join(folder, name);
  if (text !== undefined) writeFileSync(file, text);
  const flags = ["--disable-warning=ExperimentalWarning", loader, file];
  return JSON.parse(execFileSync(process.execPath, flags, { cwd: folder, encoding: "utf8" }));
}

it("loads TypeScript as it is written", () => {
  const text = `import { defineSystem } from "${millrace}";
    const name: string = "social";
    export default defineSystem(name, { accepts: [], workers: [] });`;
  expect(load("app.ts", text)).toMatchObject({ name: "social" });
});

it("names a file that is not there, and a folder", () => {
  expect(load("nothing.ts")).toMatchObject({
    code: "MR_APP_NOT_FOUND",
    message: expect.stringContaining("nothing.ts"),
    remedy: expect.stringContaining("millrace init"),
  });
  expect(load(".")).toMatchObject({ code: "MR_APP_NOT_FOUND" });
});

it("names the place of an enum and the option that finds them all", () => {
  expect(load("enum.ts", "\nenum Color { Red }\nexport default Color;")).toMatchObject({
    code: "MR_SYNTAX_UNSUPPORTED",
    message: expect.stringMatching(/^enum\.ts:2 .*enum/),
    remedy: expect.stringContaining("erasableSyntaxOnly"),
  });
});

it.each([
  ["a syntax error", "syntax.ts", "\n\nconst = 3;", /^syntax\.ts:3/, /--verbose/],
  [
    "an error while loading",
    "throws.ts",
    "\nthrow new Error('no luck');",
    /^throws\.ts:2:7 .*no luck/,
    /--verbose/,
  ],
  [
    "an import without its ending",
    "ending.ts",
    'import "./other";',
    /^ending\.ts .*other/,
    /\.ts"/,
  ],
  [
    "a package that is missing",
    "package.ts",
    'import "not-here";',
    /^package\.ts .*not-here/,
    /npm install not-here/,
  ],
  [
    "no default export",
    "none.ts",
    "export const a = 1;",
    /none\.ts exports nothing/,
    /defineSystem/,
  ],
  [
    "another default export",
    "other.ts",
    "export default 1;",
    /other\.ts exports something else/,
    /defineSystem/,
  ],
])("tells %s as a mistake of the application", (_what, name, text, message, remedy) => {
  expect(load(name, text)).toMatchObject({
    code: "MR_APP_INVALID",
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(remedy),
  });
});

it("passes on what defineSystem found, each mistake with its place", () => {
  const text = `import { defineEvent, defineSystem } from "${millrace}";
    const event = defineEvent("Bad Name", { data: undefined, key: undefined });
    export default defineSystem("also bad", { accepts: [event], workers: [] });`;
  const { code, message } = load("mistakes.ts", text);
  expect(code).toBe("MR_APP_INVALID");
  expect(message.split("\n")).toHaveLength(4);
  expect(message).toContain(`${join(folder, "mistakes.ts")}:2:19`);
});
