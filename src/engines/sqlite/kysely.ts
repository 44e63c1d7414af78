import {
  type LimitNode,
  type OffsetNode,
  type OperationNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  ValueNode,
} from "kysely";
import { handlesOf } from "../../database/handle.ts";

/**
 * Statements here run at once and to their end, so queries of one handle need no lock between them.
 * With Kysely's own lock, a query made while another's rows are streamed would wait for ever.
 */
class UnlockedAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

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

export const openHandle = handlesOf({
  adapter: new UnlockedAdapter(),
  compiler: new LiteralLimitCompiler(),
  introspect: (db) => new SqliteIntrospector(db),
  refused: [
    ...["begin", "commit", "end", "rollback", "savepoint", "release"],
    ...["attach", "detach", "pragma", "vacuum"],
  ],
});
