/** What JSON can say. */
export type Plain = string | number | boolean | null | readonly Plain[] | PlainObject;
export interface PlainObject {
  readonly [name: string]: Plain | undefined;
}

/**
 * A value as YAML, for people: blocks by indentation, and every text in quotes, so that none of
 * them means something else (`no`, `1e3`, `2001:db8::1`). Texts of several lines are kept as such.
 */
export function yamlText(value: Plain): string {
  return `${lines(value).join("\n")}\n`;
}

function lines(value: Plain): string[] {
  if (isList(value)) {
    if (value.length === 0) return ["[]"];
    return value.flatMap((item) =>
      lines(item).map((line, at) => `${at === 0 ? "- " : "  "}${line}`),
    );
  }
  if (typeof value !== "object" || value === null) return [JSON.stringify(value)];
  const entries = Object.entries(value).filter(
    (entry): entry is [string, Plain] => entry[1] !== undefined,
  );
  if (entries.length === 0) return ["{}"];
  return entries.flatMap(([name, content]) => entry(name, content));
}

function entry(name: string, content: Plain): string[] {
  const label = isPlainName(name) ? name : JSON.stringify(name);
  if (typeof content === "string" && isBlockText(content)) {
    const kept = content.endsWith("\n") ? "|" : "|-";
    const text = content.replace(/\n$/, "").split("\n");
    return [`${label}: ${kept}`, ...text.map((line) => (line === "" ? "" : `  ${line}`))];
  }
  const inside = lines(content);
  const isWord = typeof content !== "object" || content === null;
  if (isWord || /^(\[\]|\{\})$/.test(inside[0] ?? "")) return [`${label}: ${inside[0]}`];
  return [`${label}:`, ...inside.map((line) => (line === "" ? "" : `  ${line}`))];
}

/** YAML 1.1, which Go's parsers speak, has many words for true and false. */
const isPlainName = (name: string): boolean =>
  /^[A-Za-z_][\w./-]*$/.test(name) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(name);

/** Several plain lines, which look the same in a block. */
const isBlockText = (text: string): boolean =>
  /^[\x21-\x7e][\x20-\x7e]*\n/.test(text) && /^[\x20-\x7e\n]*$/.test(text) && !/\n\n$/.test(text);

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);
