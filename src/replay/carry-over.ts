import type { DatabaseEngine, SqlValue } from "../database/engine.ts";

/** A table of the bookkeeping, with the columns that tell its rows apart. */
interface CarriedTable {
  readonly table: string;
  readonly columns: readonly string[];
  readonly by: readonly string[];
}

const tables: readonly CarriedTable[] = [
  {
    table: "millrace_inbox",
    columns: ["id", "source", "handled_at"],
    by: ["id", "source"],
  },
  {
    table: "millrace_parked",
    columns: [
      ...["partition", "position", "key", "id", "accepted_at", "event", "attempts"],
      ...["next_at", "error", "history"],
    ],
    by: ["partition", "position"],
  },
  {
    table: "millrace_dead_letters",
    columns: [
      ...["partition", "position", "key", "type", "id", "source", "accepted_at", "event"],
      ...["attempts", "error", "history", "fingerprint", "died_at", "held"],
    ],
    by: ["partition", "position"],
  },
  {
    table: "millrace_timers",
    columns: [
      ...["partition", "position", "key", "id", "source", "due_at", "accepted_at", "event"],
      "cancelled_at",
    ],
    by: ["partition", "position"],
  },
  {
    table: "millrace_schedules",
    columns: ["name", "cron", "time_zone", "last_tick", "next_tick"],
    by: ["name"],
  },
  { table: "millrace_audit", columns: ["seq", "at", "who", "did", "what"], by: ["seq"] },
];

/** All others are text. */
const numbers = new Set([
  ...["partition", "position", "handled_at", "accepted_at", "attempts", "next_at", "died_at", "at"],
  ...["held", "due_at", "cancelled_at", "last_tick", "next_tick"],
]);

const pageSize = 2_000;

/**
 * Copies what a rebuilt database cannot know from the queue: which ids were handled, and what
 * waits, died, is scheduled, or is not yet relayed.
 */
export async function carryOver(
  live: DatabaseEngine,
  fresh: DatabaseEngine,
  nowMs: number,
): Promise<void> {
  for (const table of tables) await carryTable(live, fresh, table);
  await carryOutbox(live, fresh);
  const paused = await live.read<{ partition: number }>(
    "select partition from millrace_positions where paused = 1",
  );
  await fresh.transaction(async (tx) => {
    for (const { partition } of paused) {
      await tx.run("update millrace_positions set paused = 1 where partition = $1", [partition]);
    }
    await tx.run(orderLines, [nowMs]);
  });
}

async function carryTable(
  live: DatabaseEngine,
  fresh: DatabaseEngine,
  { table, columns, by }: CarriedTable,
): Promise<void> {
  const key = by.join(", ");
  // Rows that are numbered come in their order; the numbers are the new table's own.
  const stored = columns.filter((column) => column !== "seq");
  const cells = stored.map((column) => {
    const cell = `value ->> ${columns.indexOf(column)}`;
    return numbers.has(column) ? `cast(${cell} as bigint)` : cell;
  });
  const insert = `insert into ${table} (${stored.join(", ")})
    select ${cells.join(", ")} from ${fresh.dialect.each("$1")} where true on conflict do nothing`;
  for (let after: readonly SqlValue[] | undefined; ; ) {
    const start = after === undefined ? "1 = 1" : `(${key}) > (${by.map((_, at) => `$${at + 1}`)})`;
    const rows = await live.read<Record<string, SqlValue>>(
      `select ${columns.join(", ")} from ${table} where ${start} order by ${key} limit ${pageSize}`,
      after ?? [],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    const values = rows.map((row) => columns.map((column) => row[column] ?? null));
    await fresh.transaction((tx) => tx.run(insert, [JSON.stringify(values)]));
    after = by.map((column) => last[column] ?? null);
  }
}

/** In their order; the numbers are the new table's own. */
async function carryOutbox(live: DatabaseEngine, fresh: DatabaseEngine): Promise<void> {
  const rows = await live.read<{ partition: number; event: string }>(
    "select partition, event from millrace_outbox order by seq",
  );
  await fresh.transaction(async (tx) => {
    for (const { partition, event } of rows) {
      await tx.run("insert into millrace_outbox (partition, event) values ($1, $2)", [
        partition,
        event,
      ]);
    }
  });
}

/** Only the head of a line has a time, and none behind a letter that is held. */
const orderLines = `update millrace_parked set next_at = case
    when position > (select min(position) from millrace_parked as first
      where first.key = millrace_parked.key) then null
    when exists (select 1 from millrace_dead_letters as letter
      where letter.key = millrace_parked.key and letter.held = 1
        and letter.position < millrace_parked.position) then null
    else coalesce(next_at, $1) end`;
