import {
  type Findings,
  isNode,
  lineAt,
  type Node,
  place,
  type Source,
  textOf,
  walk,
} from "./source.ts";

const functionLinesMax = 70;
const fileLinesMax = 400;
const lineLengthMax = 100;

export function longFiles(sources: readonly Source[]): Findings {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split("\n").length - 1;
    return lines > fileLinesMax ? [`${path}:1 has ${lines} lines, more than ${fileLinesMax}`] : [];
  });
}

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** Tests are left out: the function around a `describe` is a chapter, not a function. */
export function longFunctions(sources: readonly Source[]): Findings {
  return sources
    .filter(({ path }) => !path.startsWith("test/"))
    .flatMap((source) => {
      const long = [...walk(source.program)].filter(({ type }) => functions.has(type));
      return long.flatMap((node) => {
        const lines = lineAt(source.text.slice(node.start, node.end), node.end - node.start);
        const finding = `${place(source, node.start)} has ${lines} lines in one function`;
        return lines > functionLinesMax ? [`${finding}, more than ${functionLinesMax}`] : [];
      });
    });
}

/** What a formatter cannot break is not counted: strings, templates, patterns, and suppressions. */
export function longLines(sources: readonly Source[]): Findings {
  return sources.flatMap((source) => {
    const shortened = withoutLiterals(source).split("\n");
    return source.text.split("\n").flatMap((line, index) => {
      const length = (shortened[index] ?? line).length;
      if (line.length <= lineLengthMax || length <= lineLengthMax) return [];
      if (/biome-ignore|^\s*(?:\/\/|\*).*https?:\/\//.test(line)) return [];
      return [`${source.path}:${index + 1} has ${line.length} columns, more than ${lineLengthMax}`];
    });
  });
}

/** The text with every literal that has no line break cut out; lines keep their numbers. */
function withoutLiterals({ program, text }: Source): string {
  const literals = [...walk(program)].filter(
    ({ type, value, regex }) =>
      type === "TemplateElement" || (type === "Literal" && (typeof value === "string" || regex)),
  );
  let rest = text;
  for (const { start, end } of literals.sort((one, other) => other.start - one.start)) {
    const breaks = rest.slice(start, end).replace(/[^\n]/g, "");
    rest = rest.slice(0, start) + breaks + rest.slice(end);
  }
  return rest;
}

const bareMembers = new Set(["Date.now", "Math.random", "performance.now"]);
const bareCalls = new Set(["setTimeout", "setInterval"]);

/**
 * Time and chance come in from outside, so that a test can turn them: src/lib/ alone knows better.
 */
export function bareTimeAndChance(sources: readonly Source[]): Findings {
  return sources
    .filter(({ path }) => path.startsWith("src/") && !path.startsWith("src/lib/"))
    .flatMap((source) =>
      [...walk(source.program)].flatMap((node) => {
        const name = bareName(node);
        const advice = "take a Clock or Random instead (src/lib/)";
        return name === undefined ? [] : [`${place(source, node.start)} uses ${name}: ${advice}`];
      }),
    );
}

function bareName(node: Node): string | undefined {
  if (node.type === "MemberExpression") {
    const name = `${textOf(node.object)}.${textOf(node.property)}`;
    return bareMembers.has(name) ? name : undefined;
  }
  if (node.type === "NewExpression" && textOf(node.callee) === "Date") {
    return Array.isArray(node.arguments) && node.arguments.length === 0 ? "new Date()" : undefined;
  }
  if (node.type === "ImportSpecifier" && bareCalls.has(textOf(node.imported) ?? "")) {
    return textOf(node.imported);
  }
  const called = node.type === "CallExpression" ? calledName(node.callee) : undefined;
  return called !== undefined && bareCalls.has(called) ? called : undefined;
}

/** `setTimeout` and `globalThis.setTimeout` alike. */
function calledName(callee: unknown): string | undefined {
  if (!isNode(callee) || callee.type !== "MemberExpression") return textOf(callee);
  return textOf(callee.object) === "globalThis" ? textOf(callee.property) : undefined;
}

/** `any`, and `!` after what may be absent, stand only where a comment says why. */
export function unexplainedTypes(sources: readonly Source[]): Findings {
  return sources.flatMap((source) => {
    const excused = source.comments
      .filter(({ value }) => /biome-ignore [\w/]+(?:\s+[\w/]+)*: \S/.test(value))
      .map(({ end }) => lineAt(source.text, end));
    return [...walk(source.program)].flatMap((node) => {
      const what = unsafeType(node);
      const line = lineAt(source.text, node.start);
      const isExcused = excused.some((at) => line >= at && line - at <= 3);
      return what === undefined || isExcused
        ? []
        : [`${source.path}:${line} has ${what} without a biome-ignore that says why`];
    });
  });
}

function unsafeType({ type }: Node): string | undefined {
  if (type === "TSAnyKeyword") return "`any`";
  return type === "TSNonNullExpression" ? "a non-null `!`" : undefined;
}

/** A test says on top what it proves and how. */
export function silentTests(sources: readonly Source[]): Findings {
  return sources
    .filter(({ path }) => /^test\/.*\.test\.ts$/.test(path))
    .filter(({ text }) => !/^\s*(?:\/\*\*?|\/\/)\s*\S/.test(text))
    .map(({ path }) => `${path}:1 does not say on top what it proves and how`);
}
