import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
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
const compiler = new SqliteQueryCompiler();

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
  const driver = handleDriver(connection);
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter: () => adapter,
      createDriver: () => driver,
      createIntrospector: (kysely) => new SqliteIntrospector(kysely),
      createQueryCompiler: () => compiler,
    },
  });
  return {
    db,
    close: () => {
      isOpen = false;
    },
  };
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
