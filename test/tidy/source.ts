import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";

/** A file of the repository, by its path from the root, with forward slashes. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** A file with code, parsed. */
export interface Source extends TextFile {
  readonly program: Node;
  readonly comments: readonly Comment[];
}

/** A node of the syntax tree (ESTree with TypeScript's nodes); members are looked at with care. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [member: string]: unknown;
}

export interface Comment {
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

/** What a check finds is a sentence each, beginning with `path:line`. */
export type Findings = string[];

export const root = fileURLToPath(new URL("../../", import.meta.url));

const codeExtensions = new Set([".ts", ".mts", ".mjs", ".js"]);
const textExtensions = new Set([...codeExtensions, ".md", ".json", ".html", ".css", ".sh", ".yml"]);
const namedTexts = new Set(["run", "LICENSE", ".npmrc", ".gitignore"]);
const skippedFolders = new Set(["node_modules", "dist", ".git", ".millrace", "coverage"]);

/** The project's own text files in the working tree. Links are not followed. */
export function readFiles(folder: string = root): TextFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): TextFile[] => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : readFiles(path);
    const isText = textExtensions.has(extname(entry.name)) || namedTexts.has(entry.name);
    if (!entry.isFile() || !isText) return [];
    return [{ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }];
  });
}

export const isCode = ({ path }: TextFile): boolean => codeExtensions.has(extname(path));

/** Parses code; what has no valid syntax is a mistake of its own. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  return { path, text, program: program as unknown as Node, comments };
}

/** Line numbers begin with 1. */
export const lineAt = (text: string, offset: number): number =>
  text.slice(0, offset).split("\n").length;

export const place = (source: TextFile, offset: number): string =>
  `${source.path}:${lineAt(source.text, offset)}`;

/** All nodes of a tree, each before what is inside it. */
export function* walk(node: Node): Generator<Node> {
  yield node;
  for (const member of Object.values(node)) {
    const children = Array.isArray(member) ? member : [member];
    for (const child of children) if (isNode(child)) yield* walk(child);
  }
}

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

/** The name of an identifier, the value of a string; undefined for all else. */
export function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  const { type, name, value } = node;
  if (type === "Identifier" && typeof name === "string") return name;
  return type === "Literal" && typeof value === "string" ? value : undefined;
}
