import type { DatabaseEngine } from "../database/engine.ts";
import type { EventRecord } from "../system/event-record.ts";

/** An event that a worker keeps in its database, and as what. */
export interface StoredEvent {
  readonly as: "parked" | "scheduled" | "dead letter" | "outbox";
  readonly event: EventRecord;
}

const tables = [
  ["parked", "millrace_parked", "1 = 1"],
  ["scheduled", "millrace_timers", "cancelled_at is null"],
  ["dead letter", "millrace_dead_letters", "1 = 1"],
] as const;

const pageSize = 500;

/** Every event in a worker's database, page by page. */
export async function* storedEvents(database: DatabaseEngine): AsyncGenerator<StoredEvent[]> {
  for (const [as, table, condition] of tables) {
    for (let after = { partition: -1, position: -1 }; ; ) {
      const rows = await database.read<{ partition: number; position: number; event: string }>(
        `select partition, position, event from ${table}
         where ${condition} and (partition, position) > ($1, $2)
         order by partition, position limit $3`,
        [after.partition, after.position, pageSize],
      );
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last;
      yield rows.map(({ event }) => ({ as, event: JSON.parse(event) }));
    }
  }
  for (let after = 0; ; ) {
    const rows = await database.read<{ seq: number; event: string }>(
      "select seq, event from millrace_outbox where seq > $1 order by seq limit $2",
      [after, pageSize],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.seq;
    yield rows.map(({ event }) => ({ as: "outbox", event: JSON.parse(event) }));
  }
}
