import {
  type AbortableQueryOptions,
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Driver,
  Kysely,
  type LimitNode,
  type OffsetNode,
  type OperationNode,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  ValueNode,
} from "kysely";
import { MillraceError } from "../../lib/errors.ts";
import type { StatementResult } from "./statements.ts";

/** Runs one statement; how it is timed, retried and told when it fails is the caller's business. */
export type Execute = (
  sql: string,
  parameters: readonly unknown[],
) => StatementResult | Promise<StatementResult>;

/** Kysely for one purpose and a limited time. */
export interface Handle {
  readonly db: Kysely<unknown>;
  /** From now on every query throws MR_HANDLE_CLOSED, also one that was built before. */
  close(): void;
}

/**
 * Statements here run at once and to their end, so queries of one handle need no lock between them.
 * With Kysely's own lock, a query made while another's rows are streamed would wait for ever.
 */
class UnlockedSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

const adapter = new UnlockedSqliteAdapter();
/** A limit is a part of the text: where it is a parameter, SQLite prepares anew at each run. */
class LiteralLimitCompiler extends SqliteQueryCompiler {
  protected override visitLimit({ limit }: LimitNode): void {
    this.append("limit ");
    this.#visitCount(limit);
  }

  protected override visitOffset({ offset }: OffsetNode): void {
    this.append("offset ");
    this.#visitCount(offset);
  }

  #visitCount(node: OperationNode): void {
    const value = ValueNode.is(node) ? node.value : undefined;
    if (Number.isSafeInteger(value)) this.append(String(value));
    else this.visitNode(node);
  }
}

const compiler = new LiteralLimitCompiler();

export function openHandle(execute: Execute): Handle {
  let isOpen = true;
  const connection = new HandleConnection((sql, parameters) => {
    if (isOpen) return execute(sql, parameters);
    throw new MillraceError(
      "MR_HANDLE_CLOSED",
      "The database handle was used after the attempt it belongs to had ended.",
      { remedy: "Await every query before the handler, query or migration returns." },
    );
  });
  const dialect = {
    createAdapter: () => adapter,
    createDriver: () => driver,
    createIntrospector: (kysely: Kysely<unknown>) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => compiler,
  };
  const driver = handleDriver(connection);
  const executor = new HandleExecutor(connection);
  const db = new Kysely<unknown>({ config: { dialect }, dialect, driver, executor });
  return {
    db,
    close: () => {
      isOpen = false;
    },
  };
}

/**
 * Hands a query to the connection without the turns of the event loop that acquiring one from a
 * pool and giving it back take: there is only one, and it is always there.
 */
class HandleExecutor extends DefaultQueryExecutor {
  readonly #connection: HandleConnection;

  constructor(connection: HandleConnection) {
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
    refuseControl(sql);
    const { rows, changes, lastInsertRowid } = await this.#execute(sql, parameters);
    return {
      rows: rows as Row[],
      ...(changes !== undefined && { numAffectedRows: BigInt(changes) }),
      ...(lastInsertRowid !== undefined && { insertId: BigInt(lastInsertRowid) }),
    };
  }

  /**
   * All rows are read before the first is handed on: an open cursor would keep the WAL from
   * shrinking.
   */
  async *streamQuery<Row>(query: CompiledQuery, chunkRows: number) {
    const { rows } = await this.executeQuery<Row>(query);
    for (let at = 0; at < rows.length; at += chunkRows) {
      yield { rows: rows.slice(at, at + chunkRows) };
    }
  }
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

/**
 * What would end the transaction that the handler's effects share with the framework's bookkeeping,
 * or change the connection for everybody after. Blanks and comments may stand before the word.
 */
const control =
  /^(?:\s|--.*\n|\/\*[\s\S]*?\*\/)*(begin|commit|end|rollback|savepoint|release|attach|detach|pragma|vacuum)\b/i;

function refuseControl(sql: string): void {
  const word = control.exec(sql)?.[1];
  if (word === undefined) return;
  throw new Error(`A database handle does not take ${word.toUpperCase()}: Millrace decides that.`);
}
