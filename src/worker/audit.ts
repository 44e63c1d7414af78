import type { DatabaseEngine, Transaction } from "../database/engine.ts";

/** What a person has changed by hand. */
export interface Deed {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `ada (command line)`, `operator (admin port)`. */
  readonly who: string;
  readonly did: DeedName;
  /** What it was done to: the events' ids, or partitions. */
  readonly what: Readonly<Record<string, unknown>>;
}

export type DeedName =
  | "retry"
  | "edit"
  | "discard"
  | "pause"
  | "resume"
  | "skip"
  | "replay"
  | "move";

/**
 * Notes a deed in the transaction that does it, so that neither is there without the other. Nothing
 * ever changes or removes a note.
 */
export async function note(
  tx: Transaction,
  { dialect }: Pick<DatabaseEngine, "dialect">,
  { who, did, what }: Omit<Deed, "at">,
): Promise<void> {
  await tx.run(
    `insert into millrace_audit (at, who, did, what) values (${dialect.nowMs}, $1, $2, $3)`,
    [who, did, JSON.stringify(what)],
  );
}

/** The newest deeds at a worker, the newest one last. */
export async function deedsAt(database: DatabaseEngine, limit: number): Promise<Deed[]> {
  const rows = await database.read<{ at: number; who: string; did: DeedName; what: string }>(
    "select at, who, did, what from millrace_audit order by seq desc limit $1",
    [limit],
  );
  return rows.reverse().map((row) => ({ ...row, what: JSON.parse(row.what) }));
}

/** The documented form, for the command line's `--json` and the admin API. */
export const deedJson = (worker: string, { at, ...deed }: Deed) => ({
  at: new Date(at).toISOString(),
  worker,
  ...deed,
});
