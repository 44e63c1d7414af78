import { systemClock } from "../../lib/clock.ts";
import { asError, isMillraceError } from "../../lib/errors.ts";
import { jsonSchemaOf } from "../../system/schema.ts";
import type { SystemDefinition } from "../../system/system.ts";
import type { AnyWorker } from "../../system/worker.ts";
import { loadApplication } from "../application.ts";
import type { Config } from "../config.ts";
import { dataFolderAt } from "../data-folder.ts";
import { createEngines, type Engines } from "../engines.ts";
import type { Finding } from "./finding.ts";

/** The application: its mistakes, schemas that cannot be documented, migrations that wait. */
export async function checkApplication(app: string, config: Config): Promise<Finding[]> {
  const what = "Application";
  let system: SystemDefinition;
  try {
    system = await loadApplication(app);
  } catch (error) {
    const remedy = isMillraceError(error) ? error.remedy : undefined;
    const detail = asError(error).message.replaceAll("\n", "; ");
    return [{ what, status: "fail", detail, remedy: remedy ?? "Correct it and look again." }];
  }
  const counts = `${system.events.size} events, ${system.workers.length} workers`;
  const found: Finding = { what, status: "pass", detail: `${system.name}: ${counts}` };
  const data = dataFolderAt(config.data);
  const onFatal = () => {};
  const engines = createEngines({ config, data, clock: systemClock, onFatal });
  try {
    const migrations: Finding[] = [];
    const known = await (await engines.places()).workers();
    for (const worker of system.workers) {
      // Opening a database makes one, and a check must not.
      const isThere = known.includes(worker.name);
      if (isThere) migrations.push(await checkMigrations(worker, engines));
    }
    return [found, ...checkSchemas(system), ...migrations];
  } finally {
    await engines[Symbol.asyncDispose]();
  }
}

function checkSchemas({ events }: SystemDefinition): Finding[] {
  return [...events.values()]
    .filter((event) => jsonSchemaOf(event.data) === undefined)
    .map(({ type }) => ({
      what: "Schema",
      status: "warn",
      detail: `the schema of ${type} has no JSON Schema, so the API's documents leave it open`,
      remedy: "With Valibot, wrap it: toStandardJsonSchema() of @valibot/to-json-schema.",
    }));
}

async function checkMigrations(worker: AnyWorker, engines: Engines): Promise<Finding> {
  const what = "Migrations";
  const { name } = worker;
  try {
    const database = await engines.database(name);
    const rows = await database.read<{ name: string }>(
      "select name from millrace_migrations where set_name = $1",
      [name],
    );
    const applied = new Set(rows.map((row) => row.name));
    const pending = Object.keys(worker.database.migrations).filter((one) => !applied.has(one));
    if (pending.length === 0) return { what, status: "pass", detail: `${name}: all applied` };
    return {
      what,
      status: "warn",
      detail: `${name}: ${pending.sort().join(", ")} will be applied at the next start`,
      remedy: "Back up the data folder first if you may want to go back.",
    };
  } catch (error) {
    const detail = `${name}: its database cannot be read: ${asError(error).message}`;
    return { what, status: "fail", detail, remedy: "Restore it from a backup." };
  }
}
