import type { ServerFacts } from "../../engines/postgres/inspect.ts";
import { isMillraceError } from "../../lib/errors.ts";
import { withoutPassword } from "../../lib/text.ts";
import type { Config } from "../config.ts";
import { isPostgres, loadPostgres } from "../engines.ts";
import type { Finding } from "./finding.ts";

/** The PostgreSQL servers that the settings name, each once. Changes nothing there. */
export async function checkPostgres(config: Config): Promise<Finding[]> {
  const named = (["database", "queue"] as const).filter((name) => isPostgres(config[name]));
  const addresses = new Map(named.map((name) => [config[name], `MILLRACE_${name.toUpperCase()}`]));
  const findings: Finding[] = [];
  for (const [address, variable] of addresses) {
    findings.push(...(await checkServer(address, variable)));
  }
  return findings;
}

const what = "PostgreSQL";

async function checkServer(address: string, variable: string): Promise<Finding[]> {
  try {
    const load = () => import("../../engines/postgres/inspect.ts");
    const { inspectServer } = await loadPostgres(load, variable);
    const { hostname } = new URL(address);
    return findingsOf(await inspectServer(address), hostname);
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const detail = `${withoutPassword(address)}: ${error.message}`;
    return [{ what, status: "fail", detail, remedy: error.remedy ?? "See docs/errors.md." }];
  }
}

/** The oldest version whose SQL the engines use: identity columns, 64-bit transaction ids. */
const versionMin = 13;

export function findingsOf(facts: ServerFacts, hostname: string): Finding[] {
  const isNear = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  const server = { ...facts, isPrivate: facts.hasTls || isNear };
  const against = rules
    .filter(({ isBroken }) => isBroken(server))
    .map(({ status, detail, remedy }) => ({ what, status, detail: detail(server), remedy }));
  const detail = `version ${facts.versionText}, ${facts.roundTripMs.toFixed(2)} ms away`;
  if (facts.roundTripMs < roundTripMsMax) return [{ what, status: "pass", detail }, ...against];
  const remedy = "Every statement of a handler waits that long; run the workers near the server.";
  return [{ what, status: "warn", detail, remedy }, ...against];
}

const roundTripMsMax = 5;
const connectionsMin = 40;
const clockApartMsMax = 5_000;

interface Rule {
  readonly isBroken: (server: Server) => boolean;
  readonly status: "warn" | "fail";
  readonly detail: (server: Server) => string;
  readonly remedy: string;
}

type Server = ServerFacts & { readonly isPrivate: boolean };

const turnOn = (setting: string) => `Set ${setting} = on in postgresql.conf, and reload it.`;

/** What speaks against a server: the first ones against its keeping what it is given. */
const rules: readonly Rule[] = [
  {
    isBroken: ({ version }) => version < versionMin * 10_000,
    status: "fail",
    detail: ({ versionText }) => `version ${versionText} is too old`,
    remedy: `Install PostgreSQL ${versionMin} or later.`,
  },
  {
    isBroken: ({ isStandby }) => isStandby,
    status: "fail",
    detail: () => "it is a standby, which takes no writes",
    remedy: "Name the primary in the address.",
  },
  {
    isBroken: ({ fsync }) => !fsync,
    status: "fail",
    detail: () => "fsync is off: a power cut can damage everything",
    remedy: turnOn("fsync"),
  },
  {
    isBroken: ({ fullPageWrites }) => !fullPageWrites,
    status: "fail",
    detail: () => "full_page_writes is off: a power cut can leave torn pages",
    remedy: turnOn("full_page_writes"),
  },
  {
    isBroken: ({ synchronousCommit }) => !["on", "remote_apply"].includes(synchronousCommit),
    status: "warn",
    detail: ({ synchronousCommit }) =>
      `synchronous_commit is ${synchronousCommit}; sessions of Millrace turn it on`,
    remedy: "Nothing needs to be done, unless others write to the same tables.",
  },
  {
    isBroken: ({ hasChecksums }) => !hasChecksums,
    status: "warn",
    detail: () => "data checksums are off: damage on its disk may go unnoticed",
    remedy: "Turn them on with pg_checksums --enable, while the server is stopped.",
  },
  {
    isBroken: ({ mayCreateSchemas }) => !mayCreateSchemas,
    status: "fail",
    detail: () => "this user may not create schemas in the database",
    remedy: "grant create on database … to …; or create them, and make the user their owner.",
  },
  {
    isBroken: ({ isSuperuser }) => isSuperuser,
    status: "warn",
    detail: () => "this user is a superuser: a mistake in a handler could harm other databases",
    remedy: "Use a role of its own: create role … login; grant create on database … to ….",
  },
  {
    isBroken: ({ isPrivate }) => !isPrivate,
    status: "warn",
    detail: () => "the connection is not encrypted",
    remedy: "Add ?sslmode=verify-full to the address.",
  },
  {
    isBroken: ({ connectionsFree }) => connectionsFree < connectionsMin,
    status: "warn",
    detail: ({ connectionsFree }) => `only ${connectionsFree} connections are free`,
    remedy: "Raise max_connections: a lane of a worker takes two, a process up to eight to read.",
  },
  {
    isBroken: ({ clockAheadMs }) => Math.abs(clockAheadMs) > clockApartMsMax,
    status: "warn",
    detail: ({ clockAheadMs }) =>
      `its clock is ${Math.round(clockAheadMs / 1_000)} s off this computer's`,
    remedy: "Keep both with NTP.",
  },
];
