import type { ServerFacts } from "../../engines/postgres/inspect.ts";
import { isMillraceError } from "../../lib/errors.ts";
import { withoutPassword } from "../../lib/text.ts";
import type { Config } from "../config.ts";
import { withDriver } from "../load-driver.ts";
import type { Finding } from "./finding.ts";

/** The PostgreSQL servers that the settings name, each once. Changes nothing there. */
export async function checkPostgres(config: Config): Promise<Finding[]> {
  const named = (["database", "queue"] as const).filter((name) =>
    config[name].startsWith("postgres://"),
  );
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
    const { inspectServer } = await withDriver(load, variable, "pg");
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
  const major = Math.floor(facts.version / 10_000);
  const isNear = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  const check = (
    isWell: boolean,
    status: "warn" | "fail",
    detail: string,
    remedy: string,
  ): Finding[] => (isWell ? [] : [{ what, status, detail, remedy }]);
  const bad = [
    ...check(
      major >= versionMin,
      "fail",
      `version ${facts.versionText} is too old`,
      `Install PostgreSQL ${versionMin} or later.`,
    ),
    ...check(!facts.isStandby, "fail", "it is a standby, which takes no writes", primary),
    ...check(
      facts.fsync,
      "fail",
      "fsync is off: a power cut can damage everything",
      turnOn("fsync"),
    ),
    ...check(
      facts.fullPageWrites,
      "fail",
      "full_page_writes is off: a power cut can leave torn pages",
      turnOn("full_page_writes"),
    ),
    ...check(
      ["on", "remote_apply"].includes(facts.synchronousCommit),
      "warn",
      `synchronous_commit is ${facts.synchronousCommit}; sessions of Millrace turn it on`,
      "Nothing needs to be done, unless others write to the same tables.",
    ),
    ...check(
      facts.hasChecksums,
      "warn",
      "data checksums are off: damage on its disk may go unnoticed",
      "Turn them on with pg_checksums --enable, while the server is stopped.",
    ),
    ...check(
      facts.mayCreateSchemas,
      "fail",
      "this user may not create schemas in the database",
      "grant create on database … to …; or create the schemas, and make the user their owner.",
    ),
    ...check(
      !facts.isSuperuser,
      "warn",
      "this user is a superuser: a mistake in a handler could harm other databases",
      "Use a role of its own for the system: create role … login; grant create on database ….",
    ),
    ...check(
      facts.hasTls || isNear,
      "warn",
      "the connection is not encrypted",
      "Add ?sslmode=verify-full to the address.",
    ),
    ...check(
      facts.connectionsFree >= connectionsWanted,
      "warn",
      `only ${facts.connectionsFree} connections are free`,
      "Raise max_connections: each lane of a worker takes two, each process up to eight to read.",
    ),
    ...check(
      Math.abs(facts.clockAheadMs) < 5_000,
      "warn",
      `its clock is ${Math.round(facts.clockAheadMs / 1_000)} s off this computer's`,
      "Keep both with NTP.",
    ),
  ];
  const trip = `${facts.roundTripMs.toFixed(2)} ms away`;
  const latency: Finding =
    facts.roundTripMs < 5
      ? { what, status: "pass", detail: `version ${facts.versionText}, ${trip}` }
      : {
          what,
          status: "warn",
          detail: `version ${facts.versionText}, ${trip}`,
          remedy: "Every statement of a handler waits that long; run the workers near the server.",
        };
  return [latency, ...bad];
}

const connectionsWanted = 40;
const turnOn = (setting: string) => `Set ${setting} = on in postgresql.conf, and reload it.`;
const primary = "Name the primary in the address.";
