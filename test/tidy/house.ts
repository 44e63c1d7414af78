import { type Import, importsOf, packageOf } from "./imports.ts";
import type { Findings, Source } from "./source.ts";

/** Folders of `src/` by what they may import, besides themselves. Downhill only. */
const ports = ["queue", "cache", "database"];
const below = ["tracing", "system", "lib"];
const boxes = ["balancer", "gateway", "producer", "worker", "admin"];
const allowedFolders: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  system: ["lib"],
  tracing: ["lib"],
  queue: [...ports, ...below],
  cache: [...ports, ...below],
  database: [...ports, ...below],
  producer: ["queue", ...below],
  worker: [...ports, ...below],
  replay: ["worker", ...ports, ...below],
  move: ["worker", ...ports, ...below],
  gateway: ["producer", "worker/link.ts", "queue", ...below],
  balancer: below,
  // Of the gateway, who may come in: the two doors open to the same people.
  admin: [
    "gateway/auth/authenticate.ts",
    "gateway/auth/client.ts",
    "gateway/media-type.ts",
    "worker",
    ...ports,
    ...below,
  ],
  engines: [...ports, ...below],
  runtime: [...boxes, "replay", "engines", ...ports, ...below],
  drill: ["runtime", "engines", "worker/link.ts", ...ports, ...below],
  trial: ["drill", "runtime", "engines", ...ports, ...below],
  cli: ["trial", "drill", "runtime", "client", "replay", "move", ...boxes, ...ports, ...below],
  client: ["system", "lib"],
  conformance: [...ports, ...below],
  "index.ts": ["system", "lib"],
};

/** One engine that is another's in memory. */
const allowedBetweenEngines = new Set(["engines/memory → engines/sqlite"]);

/** Every import within `src/` that goes uphill, or across where it must not. */
export function uphillImports(sources: readonly Source[]): Findings {
  return srcImports(sources)
    .filter(({ isRelative }) => isRelative)
    .flatMap((link) => {
      const reason = refusal(link);
      return reason === undefined ? [] : [`${link.at} imports ${link.to}: ${reason}`];
    });
}

function refusal({ from, to, isType }: Import): string | undefined {
  const inside = to.startsWith("src/") ? to.slice("src/".length) : undefined;
  const [here = "", here2 = ""] = from.slice("src/".length).split("/");
  if (inside === undefined) return addressedOutside.has(to) ? undefined : "it is outside of src/";
  const [there = "", there2 = ""] = inside.split("/");
  const allowed = allowedFolders[here];
  if (allowed === undefined) return `the folder ${here} has no place in test/tidy/house.ts`;
  if (here === "engines" && there === "engines") {
    const pair = `engines/${here2} → engines/${there2}`;
    return here2 === there2 || allowedBetweenEngines.has(pair)
      ? undefined
      : "engines are islands, reached only through their ports";
  }
  if (here === "client" && there === "system" && !isType) return "the client takes types only";
  if (here === there || allowed.includes(there) || allowed.includes(inside)) return undefined;
  return `${here} may import ${allowed.join(", ") || "nothing"}`;
}

/** Files outside `src/` whose address code may name: they are published beside it. */
const addressedOutside = new Set(["package.json", "bin/millrace.mjs", "docs/errors.md"]);

/** The client runs in browsers: nothing of Node, and no package. */
export function impureClient(sources: readonly Source[]): Findings {
  return srcImports(sources)
    .filter(({ from, isRelative }) => from.startsWith("src/client/") && !isRelative)
    .filter(({ isType }) => !isType)
    .map(({ at, to }) => `${at} imports ${to}: the client runs in browsers, on nothing`);
}

/**
 * Each technology in its folder: files (by the beginnings of their paths) that may name a package.
 */
export function misplacedPackages(
  sources: readonly Source[],
  places: Readonly<Record<string, readonly string[]>>,
): Findings {
  return srcImports(sources)
    .filter(({ isRelative }) => !isRelative)
    .flatMap(({ from, at, to }) => {
      const name = packageOf(to);
      const allowed = Object.hasOwn(places, name) ? places[name] : undefined;
      if (allowed === undefined) {
        if (name.startsWith("node:")) return [];
        return [`${at} names ${name}, which has no place in test/tidy/packages.ts`];
      }
      if (allowed.some((beginning) => from.startsWith(`src/${beginning}`))) return [];
      return [`${at} names ${name}, whose place is ${allowed.join(", ")}`];
    });
}

/** Circles of imports that exist at run time. Each is told once, from its first file. */
export function circularImports(sources: readonly Source[]): Findings {
  const targets = new Map<string, Import[]>();
  for (const link of srcImports(sources)) {
    if (!link.isRelative || link.isType || link.isAddress) continue;
    targets.set(link.from, [...(targets.get(link.from) ?? []), link]);
  }
  const circles = new Map<string, string>();
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file);
    if (start >= 0) {
      const circle = path.slice(start);
      circles.set([...circle].sort().join(), `${[...circle, file].join(" → ")} is a circle`);
      return;
    }
    if (done.has(file)) return;
    for (const { to } of targets.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return [...circles.values()];
}

/** Files of `src/` that cannot be reached from what is published or started. */
export function deadFiles(sources: readonly Source[], entries: readonly string[]): Findings {
  const all = new Set(sources.map(({ path }) => path).filter((path) => path.startsWith("src/")));
  const links = srcImports(sources);
  const reached = new Set<string>();
  const reach = (file: string) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { from, to } of links) {
      if (from === file) reach(all.has(to) ? to : to.replace(/\.js$/, ".ts"));
    }
  };
  entries.forEach(reach);
  const missing = entries.filter((entry) => !all.has(entry)).map((entry) => `${entry} is no file`);
  const dead = [...all].filter((file) => !reached.has(file));
  return [...missing, ...dead.map((file) => `${file} is reached from nowhere: use it or drop it`)];
}

const srcImports = (sources: readonly Source[]): Import[] =>
  sources.filter(({ path }) => path.startsWith("src/")).flatMap(importsOf);
