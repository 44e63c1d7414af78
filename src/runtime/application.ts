import { realpath, stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { asError, MillraceError } from "../lib/errors.ts";
import { shortPath } from "../lib/short-path.ts";
import type { SystemDefinition } from "../system/system.ts";

/**
 * Loads an application: the default export of its file, by Node's own type stripping.
 *
 * @throws MR_APP_NOT_FOUND, MR_SYNTAX_UNSUPPORTED, MR_APP_INVALID
 */
export async function loadApplication(file: string): Promise<SystemDefinition> {
  const path = await findFile(file);
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (thrown) {
    throw explain(asError(thrown), path);
  }
  if (!isSystem(module.default)) {
    const found =
      module.default === undefined ? "exports nothing by default" : "exports something else";
    throw new MillraceError("MR_APP_INVALID", `${shortPath(path)} ${found}.`, {
      remedy: "End it with: export default defineSystem(…).",
    });
  }
  return module.default;
}

/** Told by its kind and not by its class: the application may bring its own copy of the package. */
const isSystem = (value: unknown): value is SystemDefinition =>
  typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "system";

async function findFile(file: string): Promise<string> {
  const path = resolve(file);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return await realpath(path);
  if (found?.isDirectory()) {
    throw new MillraceError("MR_APP_NOT_FOUND", `${file} is a folder.`, {
      remedy: `Name the application's file, such as ${shortPath(resolve(path, "app.ts"))}.`,
    });
  }
  throw new MillraceError("MR_APP_NOT_FOUND", `There is no file ${path}.`, {
    remedy: "Name the application's file, or write a new one with: millrace init my-app",
  });
}

/** What went wrong while the application's modules were read, and what to do about it. */
function explain(error: Error, path: string): Error {
  // By its name: an error of the application's own copy of the package is not of our class.
  if (error.name === "MillraceError" && "code" in error) return error;
  const place = placeOf(error) ?? shortPath(path);
  switch ((error as NodeJS.ErrnoException).code) {
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return new MillraceError("MR_SYNTAX_UNSUPPORTED", `${place}  ${firstLine(error)}`, {
        cause: error,
        remedy:
          "Node strips types and emits no code for enum, namespace or parameter properties. Write " +
          'them as plain objects and fields; "erasableSyntaxOnly": true in tsconfig.json finds them.',
      });
    case "ERR_MODULE_NOT_FOUND":
      return invalid(error, importerOf(error) ?? place, missingModule(error.message));
    default:
      return invalid(
        error,
        place,
        "It failed while it was loaded. --verbose shows the whole stack.",
      );
  }
}

const invalid = (cause: Error, place: string, remedy: string): MillraceError =>
  new MillraceError("MR_APP_INVALID", `${place}  ${cause.name}: ${firstLine(cause)}`, {
    cause,
    remedy,
  });

const firstLine = (error: Error): string => error.message.split("\n")[0] ?? "";

function missingModule(message: string): string {
  const missing = /Cannot find (?:module|package) '([^']*)'/.exec(message)?.[1] ?? "";
  if (message.includes("Cannot find package")) return `Install it: npm install ${missing}`;
  const hasExtension = extname(missing) !== "";
  return hasExtension ? "Check the path." : 'Imports of files end in their extension: "./name.ts".';
}

const importerOf = (error: Error): string | undefined => {
  const importer = /imported from (.*)$/m.exec(error.message)?.[1];
  return importer === undefined ? undefined : shortPath(importer);
};

const placeInStack = /(?:^|[\s(])((?:file:\/\/|\/|[A-Za-z]:\\)[^\s()]*?):(\d+)(?::(\d+))?\)?$/;

/** The first place in the stack that is a file of the user's: `app.ts:8:3`. */
function placeOf(error: Error): string | undefined {
  // A syntax error tells its place in the first line of its stack, without a column.
  for (const line of (error.stack ?? "").split("\n")) {
    const [, file, row, column] = placeInStack.exec(line) ?? [];
    if (file === undefined || file.includes("/node_modules/")) continue;
    const name = shortPath(decodeURI(file.replace(/^file:\/\//, "")));
    return column === undefined ? `${name}:${row}` : `${name}:${row}:${column}`;
  }
  return undefined;
}
