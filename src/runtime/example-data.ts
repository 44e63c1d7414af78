import type { AnyEvent } from "../system/event.ts";
import { jsonSchemaOf, type Schema, validate } from "../system/schema.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** How deep an example goes before optional parts are left out: schemas may refer to themselves. */
const depthMax = 6;

/**
 * Data that fits an event, for the first thing to try: the definition's own example, else one made
 * from its JSON Schema. Undefined where neither yields data that the schema accepts.
 */
export async function exampleData(event: AnyEvent): Promise<unknown> {
  const example = event.example ?? exampleFor(event.data);
  if (example === undefined) return undefined;
  const result = await validate(event.data, example);
  return result.faults === undefined ? example : undefined;
}

/** What a schema may accept, made from its JSON Schema; undefined where it has none. */
export function exampleFor(schema: Schema): unknown {
  const root = jsonSchemaOf(schema);
  return root && exampleOf(root, root, "", 0);
}

function exampleOf(schema: JsonSchema, root: JsonSchema, name: string, depth: number): unknown {
  const given = [schema.const, schema.default, firstOf(schema.examples), firstOf(schema.enum)];
  const known = given.find((value) => value !== undefined);
  if (known !== undefined) return known;
  const target = referred(schema, root);
  if (target !== undefined) {
    return depth < depthMax ? exampleOf(target, root, name, depth + 1) : undefined;
  }
  const choice = firstOf(schema.anyOf) ?? firstOf(schema.oneOf) ?? firstOf(schema.allOf);
  if (choice !== undefined) return exampleOf(choice as JsonSchema, root, name, depth);
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case "object":
      return objectOf(schema, root, depth);
    case "array":
      return arrayOf(schema, root, name, depth);
    case "string":
      return stringOf(schema, name);
    case "integer":
    case "number":
      return Math.max(1, Number(schema.minimum ?? 1));
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return "anything";
  }
}

/** Only what must be there: the shortest thing that is accepted is the easiest to read. */
function objectOf(schema: JsonSchema, root: JsonSchema, depth: number): unknown {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const required = Array.isArray(schema.required) ? schema.required : [];
  const members = Object.entries(properties)
    .filter(([name]) => required.includes(name))
    .map(([name, property]) => [name, exampleOf(property, root, name, depth + 1)]);
  return Object.fromEntries(members);
}

function arrayOf(schema: JsonSchema, root: JsonSchema, name: string, depth: number): unknown {
  const count = Number(schema.minItems ?? 0);
  const items = (schema.items ?? {}) as JsonSchema;
  return Array.from({ length: count }, () => exampleOf(items, root, name, depth + 1));
}

const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T12:00:00Z",
  date: "2026-01-01",
  time: "12:00:00Z",
  email: "ada@example.com",
  uri: "https://example.com/",
  uuid: "01890a5d-ac96-774b-bcce-b302099a8057",
};

function stringOf({ format, minLength, maxLength }: JsonSchema, name: string): string {
  const known = typeof format === "string" ? formats[format] : undefined;
  if (known !== undefined) return known;
  const text = /text|message|body|title|comment/i.test(name) ? "hello" : "ada";
  return text.padEnd(Number(minLength ?? 0), "a").slice(0, Number(maxLength ?? text.length + 1e6));
}

const firstOf = (list: unknown): unknown => (Array.isArray(list) ? list[0] : undefined);

/** What `#/$defs/Name` stands for. */
function referred({ $ref }: JsonSchema, root: JsonSchema): JsonSchema | undefined {
  if (typeof $ref !== "string" || !$ref.startsWith("#")) return undefined;
  let found: unknown = root;
  for (const step of $ref.slice(1).split("/").filter(Boolean)) {
    found = (found as Record<string, unknown> | undefined)?.[step];
  }
  return found as JsonSchema | undefined;
}
