import {
  type AbortableQueryOptions,
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  DefaultQueryExecutor,
  type DialectAdapter,
  type Driver,
  Kysely,
  type QueryCompiler,
  type QueryResult,
} from "kysely";
import { MillraceError } from "../lib/errors.ts";
import { InsertTexts } from "./insert-texts.ts";

/** What a statement came to. */
export interface HandleResult {
  readonly rows: readonly unknown[];
  /** Rows that it changed; undefined where it returns rows. */
  readonly changes?: number | bigint | undefined;
  readonly lastInsertRowid?: number | bigint | undefined;
}

/** Runs one statement; how it is timed, retried and told when it fails is the caller's business. */
export type Execute = (
  sql: string,
  parameters: readonly unknown[],
) => HandleResult | Promise<HandleResult>;

/** What differs from database to database. */
export interface HandleDialect {
  readonly adapter: DialectAdapter;
  readonly compiler: QueryCompiler;
  readonly introspect: (db: Kysely<unknown>) => DatabaseIntrospector;
  /**
   * Words with which a statement would end the transaction that the handler's effects share with
   * the framework's bookkeeping, or change the connection for everybody after.
   */
  readonly refused: readonly string[];
}

/** Kysely for one purpose and a limited time. */
export interface Handle {
  readonly db: Kysely<unknown>;
  /** From now on every query throws MR_HANDLE_CLOSED, also one that was built before. */
  close(): void;
}

/** Makes the handles of a dialect. */
export function handlesOf(dialect: HandleDialect): (execute: Execute) => Handle {
  const { adapter, introspect } = dialect;
  const compiler = new InsertTexts(dialect.compiler);
  const refuse = refusalOf(dialect.refused);
  return (execute) => {
    let isOpen = true;
    const connection = new HandleConnection((sql, parameters) => {
      if (!isOpen) throw handleClosed();
      refuse(sql);
      return execute(sql, parameters);
    });
    const driver = handleDriver(connection);
    const config = {
      dialect: {
        createAdapter: () => adapter,
        createDriver: () => driver,
        createIntrospector: introspect,
        createQueryCompiler: () => compiler,
      },
    };
    const executor = new HandleExecutor(compiler, adapter, connection);
    return {
      db: new Kysely<unknown>({ config, dialect: config.dialect, driver, executor }),
      close: () => {
        isOpen = false;
      },
    };
  };
}

/**
 * Hands a query to the connection without the turns of the event loop that acquiring one from a
 * pool and giving it back take: there is only one, and it is always there.
 */
class HandleExecutor extends DefaultQueryExecutor {
  readonly #connection: HandleConnection;

  constructor(compiler: QueryCompiler, adapter: DialectAdapter, connection: HandleConnection) {
    super(compiler, adapter, { provideConnection: (consumer) => consumer(connection) });
    this.#connection = connection;
  }

  override executeQuery<Row>(
    query: CompiledQuery,
    options?: AbortableQueryOptions,
  ): Promise<QueryResult<Row>> {
    return options?.signal === undefined
      ? this.#connection.executeQuery<Row>(query)
      : super.executeQuery<Row>(query, options);
  }
}

class HandleConnection implements DatabaseConnection {
  readonly #execute: Execute;

  constructor(execute: Execute) {
    this.#execute = execute;
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const running = this.#execute(sql, parameters);
    // Awaiting what is there already would cost a turn with each statement.
    return toQueryResult<Row>(running instanceof Promise ? await running : running);
  }

  /** All rows are read before the first is handed on: an open cursor would keep others waiting. */
  async *streamQuery<Row>(query: CompiledQuery, chunkRows: number) {
    const { rows } = await this.executeQuery<Row>(query);
    for (let at = 0; at < rows.length; at += chunkRows) {
      yield { rows: rows.slice(at, at + chunkRows) };
    }
  }
}

function toQueryResult<Row>(result: HandleResult): QueryResult<Row> {
  const rows = result.rows as Row[];
  if (result.changes === undefined) return { rows };
  const numAffectedRows = BigInt(result.changes);
  return result.lastInsertRowid === undefined
    ? { rows, numAffectedRows }
    : { rows, numAffectedRows, insertId: BigInt(result.lastInsertRowid) };
}

function handleDriver(connection: DatabaseConnection): Driver {
  const refuse = async () => {
    throw new Error(
      "The handle is inside a transaction already, or must not begin one: use it directly.",
    );
  };
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
}

/** Blanks and comments may stand before a word. */
function refusalOf(words: readonly string[]): (sql: string) => void {
  const control = new RegExp(String.raw`^(?:\s|--.*\n|/\*[\s\S]*?\*/)*(${words.join("|")})\b`, "i");
  let lastAllowed = "";
  return (sql) => {
    if (sql === lastAllowed) return;
    const word = control.exec(sql)?.[1]?.toUpperCase();
    if (word === undefined) {
      lastAllowed = sql;
      return;
    }
    throw new Error(`A database handle does not take ${word}: Millrace decides that.`);
  };
}

const handleClosed = () =>
  new MillraceError(
    "MR_HANDLE_CLOSED",
    "The database handle was used after the attempt it belongs to had ended.",
    { remedy: "Await every query before the handler, query or migration returns." },
  );
