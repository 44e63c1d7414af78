import { jsonSchemaOf, type Schema } from "../../system/schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Any value: what a schema becomes whose library says nothing in JSON Schema. */
const anything: JsonSchema = {};

/** The JSON Schema of a Standard Schema; anything goes where its library has none for it. */
export function schemaOrAnything(schema: Schema): JsonSchema {
  try {
    return jsonSchemaOf(schema) ?? anything;
  } catch {
    // Some values, such as a date object, have no JSON Schema; the library throws then.
    return anything;
  }
}

/**
 * The schemas of an OpenAPI document by name. A schema's own definitions are lifted beside it, as
 * `{name}.{definition}`, because `#/$defs/…` would point to nothing from inside the document; a
 * schema that refers to itself (`#`) refers to its new place.
 */
export class ComponentSchemas {
  readonly #schemas: Record<string, JsonSchema> = {};

  /** Adds a schema and returns a reference to it. */
  add(name: string, schema: JsonSchema): JsonSchema {
    const { $defs = {}, $schema: _dialect, $id: _id, ...rest } = schema;
    for (const [key, definition] of Object.entries($defs as Record<string, JsonSchema>)) {
      this.#schemas[placeOf(name, key)] = moved(definition, name) as JsonSchema;
    }
    this.#schemas[name] = moved(rest, name) as JsonSchema;
    return reference(name);
  }

  all(): Readonly<Record<string, JsonSchema>> {
    return this.#schemas;
  }

  get(name: string): JsonSchema | undefined {
    return this.#schemas[name];
  }
}

const reference = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** Names of components are A–Z, a–z, 0–9, dot, hyphen and underscore. */
const placeOf = (name: string, definition: string): string =>
  `${name}.${definition.replaceAll(/[^A-Za-z0-9.-]/g, "_")}`;

/** Keywords whose values are data of the application, not schemas. */
const dataKeywords = new Set(["const", "enum", "default", "examples", "example"]);

/** The schema with its references pointing to the new places. */
function moved(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value.map((item) => moved(item, name));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => {
    if (key === "$ref" && typeof member === "string") return [key, movedReference(member, name)];
    return [key, dataKeywords.has(key) ? member : moved(member, name)];
  });
  return Object.fromEntries(members);
}

function movedReference(target: string, name: string): string {
  if (target === "#") return `#/components/schemas/${name}`;
  const definition = /^#\/\$defs\/([^/]+)$/.exec(target)?.[1];
  if (definition === undefined) return target;
  const key = decodeURIComponent(definition).replaceAll("~1", "/").replaceAll("~0", "~");
  return `#/components/schemas/${placeOf(name, key)}`;
}
