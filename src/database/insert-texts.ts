import {
  type ColumnNode,
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
  /** By the table. */
  readonly #known = new Map<string, KnownInsert[]>();
  #knownCount = 0;

  constructor(compiler: QueryCompiler) {
    this.#compiler = compiler;
  }

  compileQuery(query: RootOperationNode, queryId: QueryId): CompiledQuery {
    const insert = InsertQueryNode.is(query) ? plainInsert(query) : undefined;
    if (insert === undefined) return this.#compiler.compileQuery(query, queryId);
    const known = this.#known.get(insert.table)?.find((one) => isAlike(one, insert));
    if (known !== undefined) {
      return { query, queryId, sql: known.sql, parameters: parametersOf(insert.rows) };
    }
    const compiled = this.#compiler.compileQuery(query, queryId);
    this.#remember(insert, compiled.sql);
    return compiled;
  }

  #remember({ table, schema, columns, rows }: PlainInsert, sql: string): void {
    if (this.#knownCount >= limits.insertTextsMax) {
      this.#known.clear();
      this.#knownCount = 0;
    }
    const names = columns.map(({ column }) => column.name);
    const alike = this.#known.get(table) ?? [];
    alike.push({ schema, names, rowCount: rows.length, sql });
    this.#known.set(table, alike);
    this.#knownCount++;
  }
}

type Rows = readonly PrimitiveValueListNode[];

interface PlainInsert {
  readonly schema: string | undefined;
  readonly table: string;
  readonly columns: readonly ColumnNode[];
  readonly rows: Rows;
}

/** What the text depends on besides the table, and the text. */
interface KnownInsert {
  readonly schema: string | undefined;
  readonly names: readonly string[];
  readonly rowCount: number;
  readonly sql: string;
}

function isAlike(known: KnownInsert, { schema, columns, rows }: PlainInsert): boolean {
  const { names } = known;
  if (known.rowCount !== rows.length || known.schema !== schema) return false;
  return (
    names.length === columns.length && columns.every(({ column }, at) => column.name === names[at])
  );
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
  const { schema, identifier } = into.table;
  return { schema: schema?.name, table: identifier.name, columns, rows: values.values as Rows };
}

function parametersOf(rows: Rows): readonly unknown[] {
  const [first] = rows;
  return rows.length === 1 && first !== undefined ? first.values : rows.flatMap(valuesOf);
}

const valuesOf = ({ values }: PrimitiveValueListNode): readonly unknown[] => values;
