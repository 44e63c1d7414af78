import { posix } from "node:path";
import { isNode, type Node, place, type Source, textOf, walk } from "./source.ts";

/** One file naming another module. */
export interface Import {
  readonly from: string;
  /** `path:line` of the import. */
  readonly at: string;
  /** The file's path from the root where the specifier is relative, else the specifier. */
  readonly to: string;
  readonly isRelative: boolean;
  /** True where only types are named: nothing is left of it at run time. */
  readonly isType: boolean;
  /** True for a file that is started or read by its address, not loaded as a part of this one. */
  readonly isAddress: boolean;
}

/** Everything that a file imports, re-exports, loads, or names as a file beside itself. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  const add = (node: Node, specifier: string, kind: { isType?: boolean; isAddress?: boolean }) => {
    const isRelative = specifier.startsWith(".");
    const to = isRelative ? posix.join(posix.dirname(source.path), specifier) : specifier;
    const at = place(source, node.start);
    found.push({ from: source.path, at, to, isRelative, isType: false, isAddress: false, ...kind });
  };
  for (const node of walk(source.program)) {
    const named = textOf(node.source);
    if (named !== undefined) {
      // A dynamic import has a source, too, and no kind: it is one at run time.
      const isType = [node.importKind, node.exportKind].includes("type") || namesTypesOnly(node);
      add(node, named, { isType });
    }
    const builtin = loadedBuiltin(node);
    if (builtin !== undefined) add(node, builtin, {});
    const address = addressedFile(node);
    if (address !== undefined) add(node, address, { isAddress: true });
  }
  return found;
}

/** `import { type A, type B } from`: each of the names says that it is a type. */
function namesTypesOnly({ type, specifiers }: Node): boolean {
  if (type === "TSImportType") return true;
  const kind = type === "ImportDeclaration" ? "importKind" : "exportKind";
  return (
    Array.isArray(specifiers) &&
    specifiers.length > 0 &&
    specifiers.every((specifier: Node) => specifier[kind] === "type")
  );
}

/** `process.getBuiltinModule("node:sqlite")` and `require("…")`. */
function loadedBuiltin(node: Node): string | undefined {
  if (node.type !== "CallExpression" || !isNode(node.callee)) return undefined;
  const called = textOf(node.callee.property) ?? textOf(node.callee);
  if (called !== "getBuiltinModule" && called !== "require") return undefined;
  return Array.isArray(node.arguments) ? textOf(node.arguments[0]) : undefined;
}

/**
 * `new URL("./main.ts", import.meta.url)`, also where the ending is put together at run time:
 * then it is taken to be a source file's.
 */
function addressedFile(node: Node): string | undefined {
  if (node.type !== "NewExpression" || textOf(node.callee) !== "URL") return undefined;
  const [file] = Array.isArray(node.arguments) ? node.arguments : [];
  const text = textOf(file);
  // A folder is no file: `new URL("../", import.meta.url)`.
  if (text !== undefined) return /^\..*[^/]$/.test(text) ? text : undefined;
  if (!isNode(file) || file.type !== "TemplateLiteral" || !Array.isArray(file.quasis)) return;
  const [first] = file.quasis as readonly { readonly value: { readonly raw: string } }[];
  return first?.value.raw.startsWith(".") ? `${first.value.raw.replace(/\.$/, "")}.ts` : undefined;
}

/**
 * `fastify` of `fastify/types`, `@scope/name` of `@scope/name/part`; Node's modules as they are.
 */
export function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}
