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
    const insert = InsertQueryNode.is(query) ? plainInsert(query) : undefined;
    if (insert === undefined) return this.#compiler.compileQuery(query, queryId);
    const sql = this.#texts.get(insert.shape);
    if (sql !== undefined) return { query, queryId, sql, parameters: parametersOf(insert.rows) };
    const compiled = this.#compiler.compileQuery(query, queryId);
    if (this.#texts.size >= limits.insertTextsMax) this.#texts.clear();
    this.#texts.set(insert.shape, compiled.sql);
    return compiled;
  }
}

type Rows = readonly PrimitiveValueListNode[];

interface PlainInsert {
  /** What the text depends on: the names, and how many rows there are. */
  readonly shape: string;
  readonly rows: Rows;
}

const plainParts = new Set(["kind", "into", "columns", "values"]);

/** Undefined where an insert has any other part, or a value that is no parameter. */
function plainInsert(query: InsertQueryNode): PlainInsert | undefined {
  const { into, columns, values } = query;
  if (into === undefined || columns === undefined || values === undefined) return undefined;
  if (!TableNode.is(into) || !ValuesNode.is(values)) return undefined;
  for (const part in query) {
    const isSet = query[part as keyof InsertQueryNode] !== undefined;
    if (isSet && !plainParts.has(part)) return undefined;
  }
  if (!values.values.every((row) => PrimitiveValueListNode.is(row))) return undefined;
  const rows = values.values as Rows;
  const { schema, identifier } = into.table;
  let shape = `${rows.length}\0${schema?.name ?? ""}\0${identifier.name}`;
  for (const { column } of columns) shape += `\0${column.name}`;
  return { shape, rows };
}

function parametersOf(rows: Rows): readonly unknown[] {
  const [first] = rows;
  return rows.length === 1 && first !== undefined ? first.values : rows.flatMap(valuesOf);
}

const valuesOf = ({ values }: PrimitiveValueListNode): readonly unknown[] => values;
