/**
 * Proves that each tidy check bites: a made-up source with the offence is found, and the same
 * source without it is not. Nothing is read from the repository.
 */
import { homedir } from "node:os";
import { describe, expect, test } from "vitest";
import * as code from "./code.ts";
import { errorDocFaults, registryFaults } from "./error-docs.ts";
import * as house from "./house.ts";
import { importsOf, packageOf } from "./imports.ts";
import { dependencyFaults, installScripts, missingFromLock } from "./packages.ts";
import { parseSource } from "./source.ts";
import * as words from "./words.ts";

const file = (path: string, text: string) => parseSource(path, text);
const uphill = (path: string, text: string) => house.uphillImports([file(path, text)]);
const lines = (count: number) => "x();\n".repeat(count);

describe("imports", () => {
  test("are seen in every form, and not in comments and strings", () => {
    const source = file(
      "src/lib/a.ts",
      `// import "./comment.ts";
      import { a } from "./a-value.ts"; import type { B } from "./b-type.ts";
      import { type C } from "./c-type.ts"; import { type D, e } from "./d-value.ts";
      export * from "./f-value.ts"; export type { G } from "./g-type.ts";
      const text = 'import "./string.ts"'; type H = import("./h-type.ts").H;
      const i = await import("./i-value.ts"); process.getBuiltinModule("node:sqlite");
      new URL("./j.ts", import.meta.url); new URL("../", import.meta.url);
      new URL(\`./k.\${ending}\`, import.meta.url);`,
    );
    const found = importsOf(source).map(({ to, isType, isAddress }) => {
      if (isAddress) return `${to} address`;
      return `${to} ${isType ? "type" : "value"}`;
    });
    expect(found.toSorted()).toEqual([
      "node:sqlite value",
      "src/lib/a-value.ts value",
      "src/lib/b-type.ts type",
      "src/lib/c-type.ts type",
      "src/lib/d-value.ts value",
      "src/lib/f-value.ts value",
      "src/lib/g-type.ts type",
      "src/lib/h-type.ts type",
      "src/lib/i-value.ts value",
      "src/lib/j.ts address",
      "src/lib/k.ts address",
    ]);
  });

  test.each([
    ["src/lib/a.ts", "../system/event.ts"],
    ["src/tracing/a.ts", "../queue/engine.ts"],
    ["src/queue/a.ts", "../worker/link.ts"],
    ["src/worker/a.ts", "../engines/sqlite/queue.ts"],
    ["src/gateway/a.ts", "../worker/store.ts"],
    ["src/gateway/a.ts", "../balancer/balancer.ts"],
    ["src/engines/memory/a.ts", "../redis/cache.ts"],
    ["src/runtime/a.ts", "../cli/main.ts"],
    ["src/client/a.ts", "../system/event.ts"],
    ["src/index.ts", "./worker/worker.ts"],
    ["src/attic/a.ts", "../lib/clock.ts"],
    ["src/lib/a.ts", "../../test/support.ts"],
  ])("of %s from %s go uphill", (path, target) => {
    expect(uphill(path, `import { x } from "${target}";`)).toHaveLength(1);
  });

  test.each([
    ["src/gateway/a.ts", "../worker/link.ts"],
    ["src/gateway/routes/a.ts", "../../producer/producer.ts"],
    ["src/engines/sqlite/a.ts", "../../queue/engine.ts"],
    ["src/engines/sqlite/a.ts", "./sqlite.ts"],
    ["src/runtime/a.ts", "../engines/sqlite/queue.ts"],
    ["src/worker/a.ts", "./store.ts"],
  ])("of %s from %s go downhill", (path, target) => {
    expect(uphill(path, `import { x } from "${target}";`)).toEqual([]);
  });

  test("of the client from the system are types, and from Node none", () => {
    const types = 'import type { E } from "../system/event.ts";';
    expect(uphill("src/client/a.ts", types)).toEqual([]);
    const sources = [file("src/client/a.ts", 'import { x } from "node:fs";')];
    expect(house.impureClient(sources)).toHaveLength(1);
  });

  test("in a circle are told once; types may go round", () => {
    const ring = (kind: string) => [
      file("src/lib/a.ts", `import ${kind} { x } from "./b.ts";`),
      file("src/lib/b.ts", `import ${kind} { x } from "./c.ts";`),
      file("src/lib/c.ts", `import ${kind} { x } from "./a.ts";`),
    ];
    expect(house.circularImports(ring(""))).toEqual([
      "src/lib/a.ts → src/lib/b.ts → src/lib/c.ts → src/lib/a.ts is a circle",
    ]);
    expect(house.circularImports(ring("type"))).toEqual([]);
  });

  test("tell which files are dead, and which entries are gone", () => {
    const sources = [
      file("src/index.ts", 'export * from "./lib/a.ts"; new URL("./lib/b.js", import.meta.url);'),
      file("src/lib/a.ts", ""),
      file("src/lib/b.ts", ""),
      file("src/lib/dead.ts", 'import "./a.ts";'),
      file("test/a.test.ts", 'import "../src/lib/dead.ts";'),
    ];
    expect(house.deadFiles(sources, ["src/index.ts", "src/gone.ts"])).toEqual([
      "src/gone.ts is no file",
      expect.stringMatching(/^src\/lib\/dead\.ts /),
    ]);
  });
});

describe("packages", () => {
  const places = { fastify: ["gateway/"], "node:sqlite": ["engines/sqlite/sqlite.ts"] };
  const misplaced = (path: string, name: string) =>
    house.misplacedPackages([file(path, `import x from "${name}";`)], places);

  test("are named by their own name, whatever part is imported", () => {
    expect(packageOf("@scope/name/part")).toBe("@scope/name");
    expect(packageOf("fastify/types")).toBe("fastify");
    expect(packageOf("node:fs/promises")).toBe("node:fs/promises");
  });

  test("have one place", () => {
    expect(misplaced("src/gateway/a.ts", "fastify")).toEqual([]);
    expect(misplaced("src/worker/a.ts", "fastify")).toHaveLength(1);
    expect(misplaced("src/engines/sqlite/sqlite.ts", "node:sqlite")).toEqual([]);
    expect(misplaced("src/engines/sqlite/queue.ts", "node:sqlite")).toHaveLength(1);
    expect(misplaced("src/worker/a.ts", "node:fs")).toEqual([]);
    expect(misplaced("src/worker/a.ts", "left-pad")).toHaveLength(1);
  });

  test("are used, declared and pinned", () => {
    const text = 'import "used"; import "undeclared"; import "driver"; import "node:fs";';
    const sources = [file("src/a.ts", text)];
    const manifest = {
      dependencies: { used: "1.0.0", unused: "1.0.0" },
      devDependencies: { loose: "^1.0.0", driver: "1.0.0" },
      peerDependencies: { driver: "^1.0.0", untried: "^1.0.0" },
    };
    expect(dependencyFaults(sources, manifest)).toEqual([
      expect.stringContaining("nothing in src/ uses unused"),
      expect.stringContaining("src/ uses undeclared"),
      expect.stringContaining("the driver untried is not among devDependencies"),
      expect.stringContaining("loose is ^1.0.0"),
    ]);
  });

  test("run no script where they are published with us", () => {
    const script = { hasInstallScript: true };
    const packages = { "": script, "node_modules/dev": { ...script, dev: true } };
    expect(installScripts({ packages })).toEqual([]);
    const published = { ...packages, "node_modules/bad": script };
    expect(installScripts({ packages: published })).toHaveLength(1);
  });
});

test("a lockfile lacks nothing that what is in it needs", () => {
  const packages = {
    "": { dependencies: { a: "1.0.0" } },
    "node_modules/a": { dependencies: { b: "1.0.0" }, optionalDependencies: { c: "1.0.0" } },
    "node_modules/a/node_modules/b": { dependencies: { a: "1.0.0" } },
    "node_modules/c": {},
  };
  expect(missingFromLock({ packages })).toEqual([]);
  const { "node_modules/c": _left, ...others } = packages;
  expect(missingFromLock({ packages: others })).toEqual([
    "package-lock.json: node_modules/a needs c, it is missing",
  ]);
});

describe("sizes", () => {
  test("of files", () => {
    expect(code.longFiles([file("src/a.ts", lines(400))])).toEqual([]);
    expect(code.longFiles([file("src/a.ts", lines(401))])).toHaveLength(1);
  });

  test.each([
    ["functions", "function f(): void {\n", "}"],
    ["arrows", "const f = async (a: { b: string }): Promise<{ c: number }> => {\n", "};"],
    ["methods", "class A {\n  get f(): number {\n", "}\n}"],
    ["calls back", 'on("x", function () {\n', "});"],
  ])("of functions: %s", (_kind, head, end) => {
    const long = file("src/a.ts", `${head}${lines(70)}${end}`);
    expect(code.longFunctions([long])).toEqual([expect.stringContaining("src/a.ts:")]);
    expect(code.longFunctions([file("src/a.ts", `${head}${lines(66)}${end}`)])).toEqual([]);
    expect(code.longFunctions([{ ...long, path: "test/a.test.ts" }])).toEqual([]);
  });

  test("of lines, but not of what cannot be broken", () => {
    const wide = "x".repeat(101);
    const found = (text: string) => code.longLines([file("src/a.ts", text)]);
    expect(found(`const ${wide} = 1;`)).toHaveLength(1);
    expect(found(`// ${wide}`)).toHaveLength(1);
    expect(found(`const a = "${wide}";`)).toEqual([]);
    expect(found(`const a = \`\${b} ${wide}\`;`)).toEqual([]);
    expect(found(`// biome-ignore lint/a/b: ${wide}`)).toEqual([]);
    expect(found(`const a = \`\n\n\`;\nconst ${wide} = 1;`)).toEqual([
      expect.stringContaining("src/a.ts:4 "),
    ]);
  });
});

describe("time and chance", () => {
  test.each([
    "Date.now()",
    "new Date()",
    "Math.random()",
    "performance.now()",
    "setTimeout(f, 1)",
    "setInterval(f, 1)",
    "globalThis.setTimeout(f, 1)",
    'import { setTimeout as sleep } from "node:timers/promises"',
  ])("%s stands in src/lib only", (text) => {
    expect(code.bareTimeAndChance([file("src/worker/a.ts", text)])).toHaveLength(1);
    expect(code.bareTimeAndChance([file("src/lib/a.ts", text)])).toEqual([]);
    expect(code.bareTimeAndChance([file("test/a.ts", text)])).toEqual([]);
  });

  test.each(["new Date(0)", "clock.now()", "// Date.now()", '"Math.random()"', "a.setTimeout(1)"])(
    "%s is none",
    (text) => expect(code.bareTimeAndChance([file("src/worker/a.ts", text)])).toEqual([]),
  );
});

describe("unsafe types", () => {
  const found = (text: string) => code.unexplainedTypes([file("src/a.ts", text)]);
  test.each(["let a: any;", "f<any>();", "const a = b!;", "// biome-ignore x\nlet a: any;"])(
    "%s is found",
    (text) => expect(found(text)).toHaveLength(1),
  );
  test.each([
    "// biome-ignore lint/suspicious/noExplicitAny: it may be.\nlet a: any;",
    'const any = "any"; // any',
    "const a = !b;",
  ])("%s is allowed", (text) => expect(found(text)).toEqual([]));
});

describe("words", () => {
  const found = (check: (files: { path: string; text: string }[]) => string[], text: string) =>
    check([{ path: "docs/a.md", text }]);

  test("that promise work", () => {
    expect(found(words.unfinishedWork, `a\n// ${"TO"}${"DO"}: later`)).toEqual([
      expect.stringContaining("docs/a.md:2 "),
    ]);
    expect(found(words.unfinishedWork, `${"FIX"}${"ME"} soon`)).toHaveLength(1);
    expect(found(words.unfinishedWork, "all that is to do is done")).toEqual([]);
  });

  test("that name a registry or a machine", () => {
    expect(found(words.registries, `https://registry.${"npmjs"}.org/`)).toHaveLength(1);
    const paths = (text: string) => found((files) => words.machinePaths(files), text);
    expect(paths(`see ${homedir()}/notes`)).toHaveLength(1);
    expect(paths("see /etc/hosts")).toEqual([]);
    const inFolder = (text: string) =>
      words.machinePaths([{ path: "a.ts", text }], ["/somebody/checkout/", "/app"]);
    expect(inFolder("/somebody/checkout/src/a.ts")).toHaveLength(1);
    expect(inFolder("/app/app.ts")).toEqual([]);
  });

  test("on top of a test", () => {
    const said = file("test/a.test.ts", "/**\n * Proves it. */\ntest();");
    const silent = file("test/b.test.ts", 'import "x";\n// late');
    expect(code.silentTests([said, silent])).toEqual([expect.stringContaining("test/b.test.ts")]);
  });
});

describe("errors", () => {
  const registry = { MR_A: { slug: "a", title: "It broke", status: 500, exit: 1 } };
  const section = [
    "## a",
    "",
    "`MR_A` · HTTP 500 · exit 1 · It broke.",
    "",
    "**Why.** Something that holds it together came apart by itself.",
    "",
    "**What to do.** Put it together again, and look for what pulled it apart.",
    "",
  ].join("\n");

  test("are explained, each once, as they are registered", () => {
    expect(errorDocFaults(registry, section)).toEqual([]);
    expect(errorDocFaults(registry, "")).toEqual(['docs/errors.md has no section "## a" (MR_A)']);
    expect(errorDocFaults(registry, section + section)).toHaveLength(1);
    expect(errorDocFaults(registry, `${section}\n## b\n`)).toHaveLength(1);
    expect(errorDocFaults(registry, section.replace("500", "501"))).toHaveLength(1);
    expect(errorDocFaults(registry, section.replace(/Put it.*/, "Wait."))).toHaveLength(1);
  });

  test("are told somewhere, and have a slug each", () => {
    const teller = { path: "src/a.ts", text: 'new MillraceError("MR_A")' };
    const list = { ...teller, path: "src/lib/error-codes.ts" };
    expect(registryFaults(registry, [teller])).toEqual([]);
    expect(registryFaults(registry, [list])).toHaveLength(1);
    const twins = { ...registry, MR_B: registry.MR_A };
    expect(registryFaults(twins, [{ ...teller, text: "MR_A MR_B" }])).toHaveLength(1);
  });
});

test("a file that cannot be parsed is named", () => {
  expect(() => file("src/a.ts", "const = 1")).toThrow(/^src\/a\.ts: /);
});
