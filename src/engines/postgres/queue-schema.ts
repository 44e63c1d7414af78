import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { MillraceError } from "../../lib/errors.ts";
import type { Connection } from "./connection.ts";
import { createSchema } from "./schemas.ts";

/** Raised with each change that an older version cannot read; the older version then refuses. */
const formatVersion = 1;

/**
 * A position is a number over all partitions, so that events stand in the order of acceptance and
 * one scan reads them. The one row of `queue` is the lock of every append: positions become visible
 * in their order, since nobody gets the next one before its predecessors are committed.
 *
 * `partitions."end"` and `.trimmed` are the newest position of a partition and the newest that was
 * trimmed; neither is ever computed from the events that happen to be there. `ids` outlives the
 * events, for as long as a repeated id must be recognised.
 */
const tables = `
create table queue (
  one integer primary key check (one = 1),
  format integer not null,
  identity text not null,
  partitions integer not null,
  position bigint not null,
  accepted_at bigint not null,
  events bigint not null,
  bytes bigint not null
) with (fillfactor = 50);
create table partitions (
  partition integer primary key,
  "end" bigint not null,
  trimmed bigint not null
) with (fillfactor = 50);
create table events (
  position bigint primary key,
  partition integer not null,
  type text not null,
  source text not null,
  id text not null,
  key text not null,
  time text not null,
  accepted_at bigint not null,
  bytes integer not null,
  attributes text,
  data text not null
);
create index events_age on events (partition, accepted_at);
create table ids (
  id text not null,
  source text not null,
  position bigint not null,
  partition integer not null,
  accepted_at bigint not null,
  fingerprint text,
  primary key (id, source)
);
`;

export interface QueueHead {
  readonly identity: string;
  readonly seal: string | undefined;
  readonly partitions: number;
}

/**
 * Makes the tables of a new queue where there are none; whoever comes first does it.
 *
 * @throws MR_DATA_NEWER; the server's error else
 */
export async function openQueueTables(
  connection: Connection,
  schema: string,
  partitions: number,
): Promise<QueueHead> {
  await createSchema(connection, schema);
  const lock = `select pg_advisory_xact_lock(${0x4d520004}, ${crc32(schema) | 0})`;
  await connection.control(`begin; ${lock}`);
  try {
    const { rows } = await connection.run("select to_regclass('queue') is null as new", []);
    if (rows[0]?.new === 1) {
      await connection.control(tables);
      await connection.run("insert into queue values (1, $1, $2, $3, 0, 0, 0, 0)", [
        formatVersion,
        randomBytes(16).toString("hex"),
        partitions,
      ]);
      await connection.run(
        "insert into partitions select generate_series(0, $1::integer - 1), 0, 0",
        [partitions],
      );
    }
    const head = await connection.run(
      "select format, identity, partitions, to_regclass('seal') is not null as sealed from queue",
      [],
    );
    const isSealed = head.rows[0]?.sealed === 1;
    const seal = isSealed ? await connection.run("select seal from seal", []) : undefined;
    await connection.control("commit");
    return { ...checkedHead(head.rows[0]), seal: seal?.rows[0]?.seal as string | undefined };
  } catch (error) {
    await connection.control("rollback").catch(() => {});
    throw error;
  }
}

/** The seal has a table that is there only while there is one. */
export async function writeSeal(connection: Connection, seal: string | undefined): Promise<void> {
  await connection.control("begin; drop table if exists seal");
  try {
    if (seal !== undefined) {
      await connection.control("create table seal (seal text not null)");
      await connection.run("insert into seal values ($1)", [seal]);
    }
    await connection.control("commit");
  } catch (error) {
    await connection.control("rollback").catch(() => {});
    throw error;
  }
}

function checkedHead(row: Record<string, unknown> | undefined): Omit<QueueHead, "seal"> {
  if (Number(row?.format) > formatVersion) {
    throw new MillraceError(
      "MR_DATA_NEWER",
      `The queue has format ${row?.format}; this version knows formats up to ${formatVersion}.`,
      { remedy: "Run the version that wrote it, or a later one. Nothing was changed." },
    );
  }
  return { identity: String(row?.identity), partitions: Number(row?.partitions) };
}
