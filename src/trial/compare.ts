import type { Row, Table } from "./table.ts";

/** Where a trial on the chosen engines has another outcome than those on the embedded engines. */
export interface Difference {
  readonly table: string;
  /** Rows that only the embedded engines have, and only the chosen ones. */
  readonly embedded: readonly Row[];
  readonly chosen: readonly Row[];
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** What differs already between two trials on the embedded engines, a sentence each. */
  readonly unrepeatable: readonly string[];
  readonly rows: number;
}

const hidden = "(not compared)";

/**
 * Compares tables. What two equal trials on the embedded engines have made differently follows from
 * the clock or from chance, and is left out: a column, or where it is the rows, the whole table.
 */
export function compareTables(
  [first, second]: readonly [readonly Table[], readonly Table[]],
  chosen: readonly Table[],
): Comparison {
  const differences: Difference[] = [];
  const unrepeatable: string[] = [];
  let compared = 0;
  for (const name of new Set([...first, ...second, ...chosen].map((table) => table.name))) {
    const [one, other, third] = [first, second, chosen].map(tableNamed(name)) as Three;
    const columns = volatileColumns(one, other);
    if (columns === undefined || !isSame(...hide([one, other], columns))) {
      unrepeatable.push(`${name}: its rows`);
      continue;
    }
    unrepeatable.push(...columns.map((column) => `${name}: ${column}`));
    const handedOut = [one, third].flatMap((table) => table.handedOut ?? []);
    const left = new Set([...columns, ...handedOut]);
    const [embeddedRows, chosenRows] = hide([one, third], [...left]);
    const embedded = without(embeddedRows, chosenRows);
    const added = without(chosenRows, embeddedRows);
    compared += embeddedRows.length;
    if (embedded.length > 0 || added.length > 0) {
      differences.push({ table: name, embedded, chosen: added });
    }
  }
  return { differences, unrepeatable, rows: compared };
}

type Three = [Table, Table, Table];

const tableNamed =
  (name: string) =>
  (tables: readonly Table[]): Table =>
    tables.find((table) => table.name === name) ?? { name, rows: [] };

/** Undefined where not even the number of rows is the same. */
function volatileColumns(one: Table, other: Table): string[] | undefined {
  if (one.rows.length !== other.rows.length) return undefined;
  const columns = new Set([...one.rows, ...other.rows].flatMap((row) => Object.keys(row)));
  const valuesOf = ({ rows }: Table, column: string) =>
    rows.map((row) => row[column] ?? "").toSorted();
  return [...columns].filter(
    (column) => valuesOf(one, column).join("\n") !== valuesOf(other, column).join("\n"),
  );
}

function hide([one, other]: readonly [Table, Table], columns: readonly string[]): [Row[], Row[]] {
  const mask = Object.fromEntries(columns.map((column) => [column, hidden]));
  const masked = ({ rows }: Table) => rows.map((row) => ({ ...row, ...mask }));
  return [masked(one), masked(other)];
}

const isSame = (one: readonly Row[], other: readonly Row[]): boolean =>
  without(one, other).length === 0 && without(other, one).length === 0;

/** The rows that are left of some when others are taken away, each once. */
function without(rows: readonly Row[], others: readonly Row[]): Row[] {
  const counts = new Map<string, number>();
  for (const row of others) counts.set(textOfRow(row), (counts.get(textOfRow(row)) ?? 0) + 1);
  return rows.filter((row) => {
    const count = counts.get(textOfRow(row)) ?? 0;
    counts.set(textOfRow(row), count - 1);
    return count <= 0;
  });
}

const textOfRow = (row: Row): string =>
  JSON.stringify(Object.entries(row).toSorted(([one], [other]) => (one < other ? -1 : 1)));
