import type { DatabaseSync, StatementSync } from "./sqlite.ts";

/** The row that counts for the whole queue. */
export interface QueueHead {
  readonly position: number;
  readonly accepted_at: number;
}

export type QueueStatements = ReturnType<typeof prepareQueueStatements>;

/** The writer's statements, prepared once. */
export function prepareQueueStatements(db: DatabaseSync) {
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  return {
    identity: prepare("select identity, partitions from queue"),
    queue: prepare("select position, accepted_at from queue"),
    setQueue: prepare("update queue set position = ?, accepted_at = ?, events = events + ?"),
    setEnd: prepare(`update partitions set "end" = ? where partition = ?`),

    bounds: prepare(`select "end", trimmed from partitions where partition = ?`),
    lastWithin: prepare(
      "select max(position) as last from events where position > ? and position <= ? and partition = ?",
    ),
    dropEvents: prepare(
      "delete from events where position > ? and position <= ? and partition = ?",
    ),
    setTrimmed: prepare("update partitions set trimmed = ? where partition = ?"),
    countRemoved: prepare("update queue set events = events - ?"),

    idAfter: prepare("select id from ids where id > ? order by id limit 1 offset ?"),
    dropIds: prepare(
      `delete from ids where id > ? and id <= ? and accepted_at < ? and position <=
        (select trimmed from partitions where partitions.partition = ids.partition)`,
    ),

    contents: prepare(
      "select events, (select accepted_at from events order by position limit 1) as oldest from queue",
    ),
    pages: prepare("pragma page_count"),
    freePages: prepare("pragma freelist_count"),
  };
}
