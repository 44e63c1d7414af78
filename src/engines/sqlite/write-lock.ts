import type { Clock } from "../../lib/clock.ts";
import { beginImmediate, openSqlite } from "./sqlite.ts";

/**
 * The write lock of a database file, to be held from outside of whoever works with it, as a backup
 * tool or a transaction that got stuck holds it: others read on and cannot write. For drills.
 */
export interface WriteLock extends Disposable {
  /** Takes it in a gap between two transactions of the others. */
  take(): Promise<void>;
  /** Idempotent. */
  release(): void;
}

/** Opens the file, which may block for a moment; nothing is taken yet. */
export function openWriteLock(file: string, clock: Clock): WriteLock {
  const db = openSqlite(file);
  const release = () => {
    if (db.isTransaction) db.exec("rollback");
  };
  return {
    take: () => beginImmediate(db, clock),
    release,
    [Symbol.dispose]() {
      release();
      db.close();
    },
  };
}
