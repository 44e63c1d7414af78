import { certificateFault } from "../../lib/certificate-faults.ts";
import type { ErrorCodeName } from "../../lib/error-codes.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";

type PostgresFailure =
  | "gone"
  | "untrusted"
  | "refused"
  | "busy"
  | "conflict"
  | "full"
  | "exhausted"
  | "standby"
  | "changed"
  | "io"
  | "damaged";

const messages = {
  gone: "The PostgreSQL server cannot be reached, or broke the connection off.",
  untrusted: "The certificate of the PostgreSQL server is not good",
  refused: "The PostgreSQL server does not let this user in.",
  busy: `Another transaction has held a lock for ${limits.busyTimeoutMs / 1_000} s.`,
  conflict: "The transaction met another one that changed the same rows.",
  full: "The disk of the PostgreSQL server is full; nothing of the transaction was kept.",
  exhausted: "The PostgreSQL server has no connections or memory left.",
  standby: "The PostgreSQL server takes no writes: it is a standby, or was set to read only.",
  changed: "A table was changed while a statement on it was kept prepared.",
  io: "The PostgreSQL server cannot read or write its files.",
  damaged: "The PostgreSQL server found its data damaged.",
} as const satisfies Record<PostgresFailure, string>;

const remedies = {
  gone: "Start it, or correct the address; work resumes by itself.",
  untrusted: "Name the authority that signed it (sslrootcert), and the server as it names it.",
  refused: "Correct user, password and database in the address, or what the server allows.",
  busy: "Look for a session that is idle in a transaction, in pg_stat_activity, and end it.",
  conflict: "It is tried again by itself.",
  full: "Make room there; work resumes by itself.",
  exhausted: "Raise max_connections there, or run fewer instances.",
  standby: "Name the primary in the address; work resumes by itself after a failover.",
  changed: "It is tried again by itself.",
  io: "Look at the server's log and disks.",
  damaged: "Stop, keep a copy of the server's data, and restore a backup.",
} as const satisfies Record<PostgresFailure, string>;

/** What says more than that the database cannot be used now. */
const codes: Partial<Record<PostgresFailure, ErrorCodeName>> = {
  conflict: "MR_DATABASE_CONFLICT",
  damaged: "MR_DATA_DAMAGED",
};

/** What the server tells with an error; absent on what the network or the driver throws. */
interface Told {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly message?: unknown;
}

/** Whether the connection is gone with it: nobody knows how far its last statement came. */
export function breaksConnection(error: unknown): boolean {
  const { code, severity } = error as Told;
  return !isState(code) || severity === "FATAL" || severity === "PANIC" || code.startsWith("08");
}

/** An SQLSTATE: five characters. The driver's own errors have none, Node's are words. */
const isState = (code: unknown): code is string =>
  typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]+$/.test(code);

/**
 * The failure of the database itself in Millrace's words; undefined where the statement is at
 * fault.
 */
export function databaseFailure(cause: unknown): MillraceError | undefined {
  if (cause instanceof MillraceError) return undefined;
  const fault = certificateFault(cause);
  const kind =
    fault === undefined ? failureOf(cause as Told, breaksConnection(cause)) : "untrusted";
  if (kind === undefined) return undefined;
  const message = fault === undefined ? messages[kind] : `${messages[kind]}: ${fault}.`;
  const code = codes[kind] ?? "MR_DATABASE_UNAVAILABLE";
  return new MillraceError(code, message, { cause, remedy: remedies[kind] });
}

export const isDiskFull = (error: unknown): boolean => (error as Told).code === "53100";

/** Of whoever may write: that the session can only read is then the server's doing. */
export const isStandby = (error: unknown): boolean => (error as Told).code === "25006";

export const standbyFailure = (cause: unknown): MillraceError =>
  new MillraceError("MR_DATABASE_UNAVAILABLE", messages.standby, {
    cause,
    remedy: remedies.standby,
  });

function failureOf({ code, message }: Told, isBroken: boolean): PostgresFailure | undefined {
  if (!isState(code)) return "gone";
  switch (code) {
    case "40001":
    case "40P01":
      return "conflict";
    case "55P03":
      return "busy";
    case "53100":
      return "full";
    case "XX001":
    case "XX002":
      return "damaged";
    case "0A000":
      return String(message).includes("cached plan") ? "changed" : undefined;
  }
  if (code.startsWith("53")) return "exhausted";
  if (code.startsWith("58")) return "io";
  if (code.startsWith("28") || code === "3D000") return "refused";
  return isBroken ? "gone" : undefined;
}
