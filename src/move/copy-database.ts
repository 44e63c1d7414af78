import type { DatabaseEngine, Row, Transaction } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import type { QueueEngine } from "../queue/engine.ts";
import type { Migration } from "../system/database.ts";
import { prepareBookkeeping } from "../worker/tables.ts";
import { treatments } from "./bookkeeping.ts";
import { formsOf, insertRows, pairOf, RowSum, type TablePair } from "./copy-rows.ts";
import { quoted, type Table, type Tables } from "./dialect.ts";
import { postgresTables } from "./postgres-tables.ts";
import { sqliteTables } from "./sqlite-tables.ts";

export interface CopyDatabaseParts {
  readonly worker: string;
  readonly migrations: Readonly<Record<string, Migration>>;
  readonly from: DatabaseEngine;
  /** An empty one. */
  readonly to: DatabaseEngine;
  readonly fromQueue: QueueEngine;
  readonly toQueue: QueueEngine;
  /** Partition → how far the worker has come, in the new queue. */
  readonly applied: ReadonlyMap<number, number>;
  readonly signal: AbortSignal;
  readonly onRows: (rows: number) => void;
}

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  /** The same in both databases, whatever the order of the rows. */
  readonly checksum: string;
}

export const tablesOf = ({ dialect }: Pick<DatabaseEngine, "dialect">): Tables =>
  ({ sqlite: sqliteTables, postgres: postgresTables })[dialect.name];

/**
 * Copies a worker's database. The migrations make the tables, and only rows are copied: those of
 * the application as they are, the bookkeeping with the places that events have in the new queue.
 * All of it is one transaction of the new database; afterwards both are compared.
 */
export async function copyDatabase(parts: CopyDatabaseParts): Promise<CopiedTable[]> {
  const { worker, migrations, from, to } = parts;
  await prepareBookkeeping(to);
  await to.migrate(worker, migrations);
  // The source's ends first: a commit of all this can take longer than a server lets it stand idle.
  const sums = await to.transaction((target) =>
    from.transaction((source) => copyTables(parts, source, target)),
  );
  await compare(parts, sums);
  return [...sums].map(
    ([
      {
        from: { name },
      },
      sum,
    ]) => ({
      ...{ table: name, rows: sum.count, checksum: sum.text },
    }),
  );
}

type Sums = ReadonlyMap<TablePair, RowSum>;

async function copyTables(
  parts: CopyDatabaseParts,
  source: Transaction,
  target: Transaction,
): Promise<Sums> {
  const { worker } = parts;
  const [ours, theirs] = [tablesOf(parts.to), tablesOf(parts.from)];
  await refuseOtherMigrations(worker, source, target);
  const made = await ours.list(target);
  const found = (await theirs.list(source)).filter(isMoved);
  const pairs = found.map((table) => pairOf(worker, table, made));
  refuseMissing(worker, found, made.filter(isMoved));
  const counters = await theirs.counters(source);
  const resume = await ours.suspend(target);
  // What migrations have put into the tables is among the rows that come.
  for (const { to } of pairs) await target.run(`delete from ${quoted(to.name)}`);
  const sums = new Map<TablePair, RowSum>();
  for (const pair of pairs) sums.set(pair, await copyTable(parts, source, target, pair));
  await resume();
  for (const { table, column, last } of await ours.counters(target)) {
    const before = counters.find((one) => one.table === table && one.column === column)?.last ?? 0;
    const [row] = await target.run<{ max: number | bigint | null }>(
      `select max(${quoted(column)}) as max from ${quoted(table)}`,
    );
    const next = ascending([before, row?.max ?? 0]).at(-1) ?? 0;
    if (next > last) await ours.count(target, { table, column, last: next });
  }
  return sums;
}

/** Numbers and bigints together, which Math.max does not take. */
const ascending = (numbers: (number | bigint)[]) =>
  numbers.sort((one, other) => (one < other ? -1 : 1));

const isMoved = ({ name }: Table): boolean => treatments[name] !== "left";

async function copyTable(
  parts: CopyDatabaseParts,
  source: Transaction,
  target: Transaction,
  pair: TablePair,
): Promise<RowSum> {
  const treat = treatments[pair.from.name];
  const sum = new RowSum();
  for await (const rows of tablesOf(parts.from).rows(source, pair.from)) {
    parts.signal.throwIfAborted();
    const moved = typeof treat === "function" ? await treat(rows, { ...parts, source }) : rows;
    if (moved.length > 0) await insertRows(target, tablesOf(parts.to), pair, moved);
    for (const row of moved) sum.add(formsOf(row, pair.from, pair.to));
    parts.onRows(rows.length);
  }
  return sum;
}

/** Reads what was committed: it is what was read before. */
async function compare({ worker, to, onRows }: CopyDatabaseParts, sums: Sums): Promise<void> {
  await to.transaction(async (tx) => {
    for (const [pair, wanted] of sums) {
      const found = new RowSum();
      for await (const rows of tablesOf(to).rows(tx, pair.to)) {
        for (const row of rows) found.add(formsOf(row, pair.to, pair.from));
        onRows(0);
      }
      if (found.count === wanted.count && found.text === wanted.text) continue;
      throw new MillraceError(
        "MR_MOVE_DIFFERS",
        `${worker}: the table ${pair.to.name} has ${found.count} rows that are not the ${wanted.count} that were moved.`,
        { remedy: "Something else writes there. Nothing was opened; begin anew without it." },
      );
    }
  });
}

/** Rows of an older schema would stay so for ever: what has been applied is never run again. */
async function refuseOtherMigrations(
  worker: string,
  source: Transaction,
  target: Transaction,
): Promise<void> {
  const applied = async (tx: Transaction) => {
    const rows = await tx.run<Row>("select set_name, name from millrace_migrations");
    return rows.map(({ set_name, name }) => `${set_name} ${name}`).sort();
  };
  const [before, after] = [await applied(source), await applied(target)];
  const differing = [...before, ...after].find(
    (name) => !before.includes(name) || !after.includes(name),
  );
  if (differing === undefined) return;
  throw new MillraceError(
    "MR_MOVE_SOURCE",
    `${worker}: its database and the application differ by the migration ${differing}.`,
    { remedy: "Start the system once with this application where it is, stop it, and move it." },
  );
}

function refuseMissing(worker: string, found: readonly Table[], made: readonly Table[]): void {
  const missing = made.find(({ name }) => !found.some((table) => table.name === name));
  if (missing === undefined) return;
  throw new MillraceError(
    "MR_MOVE_SOURCE",
    `${worker}: its migrations make the table ${missing.name}, which its database does not have.`,
    { remedy: "What is moved is what migrations make. Bring the table back." },
  );
}
