import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { AppendRequest, Durability, Receipt } from "../../queue/engine.ts";
import type { Connection } from "./connection.ts";
import { breaksConnection, databaseFailure, isDiskFull, isStandby } from "./failures.ts";

/** What the queue holds after an append. */
export interface Appended {
  readonly receipts: Receipt[];
  readonly storedBytes: number;
}

/**
 * Stores events in one transaction, all statements of which are sent at once: one round trip,
 * however many events. Where one fails, those behind it do, and the commit is a rollback.
 *
 * @throws MR_QUEUE_FULL, MR_QUEUE_UNAVAILABLE: nothing was stored; MR_RESULT_UNKNOWN
 */
export async function append(
  connection: Connection,
  channel: string,
  durable: Durability,
  requests: readonly AppendRequest[],
): Promise<Appended> {
  const input = JSON.stringify(requests.map(toRow));
  const limitMs = limits.databaseStatementMs;
  const answers = await Promise.allSettled([
    connection.control("begin"),
    connection.run(take, [requests.length], limitMs),
    connection.run(store, [input], limitMs),
    connection.run(known, [input], limitMs),
    connection.run("select pg_notify($1, '')", [channel], limitMs),
    connection.control("commit", limitMs),
  ]);
  const failed = answers.find((answer) => answer.status === "rejected");
  if (failed !== undefined) throw appendFailure(failed.reason);
  const [, , stored, placed] = answers.map((answer) =>
    answer.status === "fulfilled" ? answer.value : undefined,
  );
  const rows = placed?.rows ?? [];
  return {
    receipts: rows.map((row) => toReceipt(row as unknown as PlacedRow, durable)),
    storedBytes: Number(stored?.rows[0]?.bytes ?? 0),
  };
}

function toRow({ partition, event, fingerprint }: AppendRequest) {
  const { type, source, id, key, time, data } = event;
  const attributes =
    Object.keys(event.attributes).length === 0 ? null : JSON.stringify(event.attributes);
  const bytes = Buffer.byteLength(data) + (attributes?.length ?? 0) + rowBytes;
  return [partition, type, source, id, key, time, attributes, data, bytes, fingerprint ?? null];
}

/** What a row takes besides its data, its index entries and its id included. */
const rowBytes = 300;

interface PlacedRow {
  readonly id: string;
  readonly partition: number;
  readonly position: number;
  readonly fingerprint: string | null;
  readonly duplicate: number;
}

function toReceipt({ fingerprint, duplicate, ...place }: PlacedRow, durable: Durability): Receipt {
  const receipt = { ...place, durable, duplicate: duplicate === 1 };
  return receipt.duplicate && fingerprint !== null ? { ...receipt, fingerprint } : receipt;
}

/** Takes as many positions as there are events; those of duplicates stay unused. */
const take = `update queue set position = position + $1, accepted_at = greatest(accepted_at,
  floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`;

const input = `input as (
  select queue.position - jsonb_array_length($1::jsonb) + line.n as position, queue.accepted_at,
    cast(value ->> 0 as integer) as partition, value ->> 1 as type, value ->> 2 as source,
    value ->> 3 as id, value ->> 4 as key, value ->> 5 as time, value ->> 6 as attributes,
    value ->> 7 as data, cast(value ->> 8 as integer) as bytes, value ->> 9 as fingerprint
  from queue, jsonb_array_elements($1::jsonb) with ordinality as line (value, n))`;

/** X2: an id is claimed by inserting it; what was claimed is stored. */
const store = `with ${input},
  claimed as (
    insert into ids (id, source, position, partition, accepted_at, fingerprint)
    select id, source, position, partition, accepted_at, fingerprint from input order by position
    on conflict do nothing returning position),
  stored as (
    insert into events (position, partition, type, source, id, key, time, accepted_at, bytes,
      attributes, data)
    select position, partition, type, source, id, key, time, accepted_at, bytes, attributes, data
    from input where position in (select position from claimed) order by position
    returning partition, position, bytes),
  ends as (
    update partitions set "end" = newest.position
    from (select partition, max(position) as position from stored group by partition) as newest
    where partitions.partition = newest.partition)
  update queue set events = events + (select count(*) from stored),
    bytes = bytes + (select coalesce(sum(bytes), 0) from stored) returning bytes`;

/** Where each event stands, by the statement that claimed its id or by an earlier one. */
const known = `with ${input}
  select ids.id, ids.partition, ids.position, ids.fingerprint,
    ids.position <> input.position as duplicate
  from input join ids using (id, source) order by input.position`;

/** What a failure before the commit means, and what one in it. */
export function appendFailure(cause: unknown): MillraceError {
  if (cause instanceof MillraceError && cause.code !== "MR_DATABASE_UNAVAILABLE") return cause;
  if (isDiskFull(cause)) {
    return new MillraceError("MR_QUEUE_FULL", "The disk of the PostgreSQL server is full.", {
      cause,
    });
  }
  if (!(cause instanceof MillraceError) && breaksConnection(cause)) {
    return new MillraceError(
      "MR_RESULT_UNKNOWN",
      "The connection to the queue was lost while events were stored.",
      { cause, remedy: "The same ids are safe to send again.", retryAfterSeconds: 1 },
    );
  }
  return queueFailure(cause);
}

/** Nothing was stored, or read. */
export function queueFailure(cause: unknown): MillraceError {
  const told = cause instanceof MillraceError ? cause : databaseFailure(cause);
  const message = isStandby(cause)
    ? "The PostgreSQL server takes no writes: it is a standby."
    : (told?.message ?? `The queue's tables cannot be used: ${(cause as Error).message}.`);
  return new MillraceError("MR_QUEUE_UNAVAILABLE", message, {
    cause,
    retryAfterSeconds: 1,
    ...(told?.remedy === undefined ? {} : { remedy: told.remedy }),
  });
}
