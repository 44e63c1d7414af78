import {
  type CompiledQuery,
  InsertQueryNode,
  PrimitiveValueListNode,
  type QueryCompiler,
  type QueryId,
  type RootOperationNode,
  TableNode,
  ValuesNode,
} from "kysely";
import { limits } from "../lib/limits.ts";

/**
 * Compiles as another compiler does, and remembers the texts of plain inserts: `insert into … (…)
 * values (…)` and nothing else. They are the most common statement of handlers, each has the
 * same text as the one before, and finding it takes a fraction of writing it again.
 */
export class InsertTexts implements QueryCompiler {
  readonly #compiler: QueryCompiler;
  readonly #texts = new Map<string, string>();

  constructor(compiler: QueryCompiler) {
    this.#compiler = compiler;
  }

  compileQuery(query: RootOperationNode, queryId: QueryId): CompiledQuery {
    const rows = InsertQueryNode.is(query) ? plainRows(query) : undefined;
    const shape = rows && shapeOf(query as InsertQueryNode, rows.length);
    if (rows === undefined || shape === undefined) {
      return this.#compiler.compileQuery(query, queryId);
    }
    const sql = this.#texts.get(shape);
    if (sql !== undefined) return { query, queryId, sql, parameters: parametersOf(rows) };
    const compiled = this.#compiler.compileQuery(query, queryId);
    if (this.#texts.size >= limits.insertTextsMax) this.#texts.clear();
    this.#texts.set(shape, compiled.sql);
    return compiled;
  }
}

type Rows = readonly PrimitiveValueListNode[];

const plainParts = new Set(["kind", "into", "columns", "values"]);

/** The rows of an insert that has no other part, and whose values are all parameters. */
function plainRows(query: InsertQueryNode): Rows | undefined {
  const { values } = query;
  if (values === undefined || !ValuesNode.is(values)) return undefined;
  for (const part in query) {
    if (!plainParts.has(part) && query[part as keyof InsertQueryNode] !== undefined) {
      return undefined;
    }
  }
  const rows = values.values;
  return rows.every((row) => PrimitiveValueListNode.is(row)) ? (rows as Rows) : undefined;
}

/** What the text depends on: the names, and how many rows there are. */
function shapeOf({ into, columns }: InsertQueryNode, rows: number): string | undefined {
  if (into === undefined || columns === undefined || !TableNode.is(into)) return undefined;
  const { schema, identifier } = into.table;
  let shape = `${rows}\0${schema?.name ?? ""}\0${identifier.name}`;
  for (const { column } of columns) shape += `\0${column.name}`;
  return shape;
}

function parametersOf(rows: Rows): readonly unknown[] {
  const [first] = rows;
  return rows.length === 1 && first !== undefined ? first.values : rows.flatMap(valuesOf);
}

const valuesOf = ({ values }: PrimitiveValueListNode): readonly unknown[] => values;
