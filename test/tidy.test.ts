/**
 * The house's rules, checked on the source itself: imports go downhill, technologies stay in their
 * folders, files and functions stay small, time and chance come from outside, every error is
 * explained, and nothing lies about unused. Each finding is a line with the place. That the checks
 * bite is proven by test/tidy/checks.test.ts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorCodes } from "../src/lib/error-codes.ts";
import * as code from "./tidy/code.ts";
import { errorDocFaults, registryFaults } from "./tidy/error-docs.ts";
import * as house from "./tidy/house.ts";
import {
  dependencyFaults,
  installScripts,
  type Lockfile,
  type Manifest,
  missingFromLock,
  packagePlaces,
} from "./tidy/packages.ts";
import { isCode, parseSource, readFiles, root } from "./tidy/source.ts";
import * as words from "./tidy/words.ts";

const files = readFiles();
const sources = files.filter(isCode).map(({ path, text }) => parseSource(path, text));
const json = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"));

/** What `package.json` publishes, what `bin/` loads, and the one engine that is for tests only. */
const entries = [
  "src/index.ts",
  "src/client/index.ts",
  "src/conformance/index.ts",
  "src/engines/redis/index.ts",
  "src/cli/main.ts",
  "src/engines/postgres/index.ts",
  "src/engines/memory/span-store.ts",
];

describe("the house", () => {
  test("imports go downhill", () => expect(house.uphillImports(sources)).toEqual([]));
  test("the client needs nothing of Node", () => expect(house.impureClient(sources)).toEqual([]));
  test("each technology stays in its folder", () =>
    expect(house.misplacedPackages(sources, packagePlaces)).toEqual([]));
  test("no imports in a circle", () => expect(house.circularImports(sources)).toEqual([]));
  test("no dead files", () => expect(house.deadFiles(sources, entries)).toEqual([]));
});

describe("the code", () => {
  test("files are short", () => expect(code.longFiles(sources)).toEqual([]));
  test("functions are short", () => expect(code.longFunctions(sources)).toEqual([]));
  test("lines are short", () => expect(code.longLines(sources)).toEqual([]));
  test("time and chance come from outside", () =>
    expect(code.bareTimeAndChance(sources)).toEqual([]));
  test("unsafe types say why", () => expect(code.unexplainedTypes(sources)).toEqual([]));
  test("tests say what they prove", () => expect(code.silentTests(sources)).toEqual([]));
});

describe("the words", () => {
  test("nothing is left to be done", () => expect(words.unfinishedWork(files)).toEqual([]));
  test("nothing is tied to a machine", () => expect(words.machinePaths(files)).toEqual([]));
  test("nothing is tied to a registry", () => expect(words.registries(files)).toEqual([]));
});

describe("the packages", () => {
  test("each is used, declared, and pinned", () =>
    expect(dependencyFaults(sources, json("package.json") as Manifest)).toEqual([]));
  test("none that is published with us runs a script at installation", () =>
    expect(installScripts(json("package-lock.json") as Lockfile)).toEqual([]));
  test("the lockfile is complete, for every system", () =>
    expect(missingFromLock(json("package-lock.json") as Lockfile)).toEqual([]));
});

describe("the errors", () => {
  test("each is explained in docs/errors.md, and nothing else is", () => {
    const text = files.find(({ path }) => path === "docs/errors.md")?.text ?? "";
    expect(errorDocFaults(errorCodes, text)).toEqual([]);
  });
  test("each can be told, by one code and one slug", () =>
    expect(registryFaults(errorCodes, files)).toEqual([]));
});
