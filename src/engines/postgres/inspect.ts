import { type Clock, systemClock } from "../../lib/clock.ts";
import { Connection } from "./connection.ts";
import { parseAddress } from "./server.ts";

/** What is true of a server, for `millrace doctor`. */
export interface ServerFacts {
  readonly version: number;
  readonly versionText: string;
  readonly isStandby: boolean;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  /** As the server or the role has it; every session of ours turns it on. */
  readonly synchronousCommit: string;
  readonly hasChecksums: boolean;
  readonly isSuperuser: boolean;
  readonly mayCreateSchemas: boolean;
  readonly hasTls: boolean;
  readonly connectionsFree: number;
  /** How far its clock is before this computer's. */
  readonly clockAheadMs: number;
  /** The median of some round trips. */
  readonly roundTripMs: number;
}

const trips = 20;

/** @throws MR_DATABASE_UNAVAILABLE */
export async function inspectServer(
  address: string,
  clock: Clock = systemClock,
): Promise<ServerFacts> {
  const { url, prefix } = parseAddress(address);
  const connection = await Connection.open({
    ...{ url, schema: prefix, clock },
    name: "millrace doctor",
    isReadOnly: true,
  });
  try {
    const { rows } = await connection.run(facts, []);
    const nowMs = clock.now();
    const row = rows[0] ?? {};
    const isOn = (name: string) => row[name] === "on";
    const times: number[] = [];
    for (let trip = 0; trip < trips; trip++) {
      const begunMs = clock.monotonic();
      await connection.run("select 1", []);
      times.push(clock.monotonic() - begunMs);
    }
    return {
      version: Number(row.version),
      versionText: String(row.version_text),
      isStandby: row.standby === 1,
      fsync: isOn("fsync"),
      fullPageWrites: isOn("full_page_writes"),
      synchronousCommit: String(row.synchronous_commit),
      hasChecksums: isOn("checksums"),
      isSuperuser: row.superuser === 1,
      mayCreateSchemas: row.may_create === 1,
      hasTls: row.tls === 1,
      connectionsFree: Number(row.connections_free),
      clockAheadMs: Number(row.now_ms) - nowMs,
      roundTripMs: times.sort((a, b) => a - b)[trips / 2] ?? 0,
    };
  } finally {
    await connection.end();
  }
}

const facts = `select current_setting('server_version_num')::integer as version,
  current_setting('server_version') as version_text,
  pg_is_in_recovery() as standby,
  current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('data_checksums') as checksums,
  (select reset_val from pg_settings where name = 'synchronous_commit') as synchronous_commit,
  coalesce((select rolsuper from pg_roles where rolname = current_user), false) as superuser,
  has_database_privilege(current_database(), 'create') as may_create,
  coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls,
  current_setting('max_connections')::integer
    - (select count(*) from pg_stat_activity where backend_type = 'client backend')
    as connections_free,
  floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms`;
