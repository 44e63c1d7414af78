import { asError, type Fault, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { type DefinitionSite, describeSite } from "./definition-site.ts";
import type { AnyEvent } from "./event.ts";
import type { HandlerDefinition } from "./handler.ts";
import { type ScheduleDefinition, ticksOf } from "./schedule.ts";
import { validate } from "./schema.ts";
import type { WebhookDefinition } from "./webhook.ts";
import type { AnyWorker } from "./worker.ts";

interface Parts {
  readonly accepts: readonly AnyEvent[];
  readonly workers: readonly AnyWorker[];
  readonly webhooks: readonly WebhookDefinition[];
}

/** Names become addresses, table values and metric labels, hence the narrow alphabet. */
const eventName = /^[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*$/;
const boxName = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const queryName = /^[A-Za-z][A-Za-z0-9-]*$/;
/** First segments of addresses that the gateway keeps for itself. */
const reservedNames = new Set([
  "events",
  "problems",
  "docs",
  "schemas",
  "assets",
  "livez",
  "readyz",
]);

/** Finds every mistake in an application at once; returns all its events by type. */
export function checkSystem(name: string, parts: Parts): ReadonlyMap<string, AnyEvent> {
  const mistakes: Fault[] = [];
  const report = (detail: string, site: DefinitionSite | undefined) =>
    mistakes.push({ detail, pointer: describeSite(site) });

  if (!boxName.test(name))
    report(`The system's name "${name}" must look like "my-shop".`, undefined);
  const events = checkEvents(parts, report);
  checkWorkers(parts.workers, report);
  checkWebhooks(parts.webhooks, report);

  if (mistakes.length > 0) {
    const lines = mistakes.map(({ detail, pointer }) =>
      pointer ? `${pointer}  ${detail}` : detail,
    );
    throw new MillraceError("MR_APP_INVALID", lines.join("\n"), { faults: mistakes });
  }
  return events;
}

type Report = (detail: string, site: DefinitionSite | undefined) => void;

function checkEvents({ accepts, workers, webhooks }: Parts, report: Report): Map<string, AnyEvent> {
  const events = new Map<string, AnyEvent>();
  const add = (event: AnyEvent | undefined, where: string, site?: DefinitionSite) => {
    if (event?.kind !== "event")
      return report(`${where} names something that is not an event.`, site);
    const known = events.get(event.type);
    if (known === event) return;
    if (known !== undefined) {
      return report(
        `Two events have the type "${event.type}"; the other is at ${describeSite(known.site)}.`,
        event.site,
      );
    }
    events.set(event.type, event);
    checkEvent(event, report);
  };
  for (const event of accepts) add(event, "`accepts`");
  for (const { path, events: made = [], site } of webhooks) {
    for (const event of made) add(event, `\`events\` of the webhook "${path}"`, site);
  }
  for (const worker of workers) {
    for (const handler of worker.handlers) {
      for (const emitted of handler.emits) add(emitted, "`emits`", handler.site);
    }
    for (const { name, event, site } of worker.schedules) {
      add(event, `The schedule "${name}"`, site);
    }
  }
  checkHandledEvents(workers, events, report);
  return events;
}

/**
 * A handler for an event that nobody can publish or emit would never run: a mistake, not a feature.
 */
function checkHandledEvents(
  workers: readonly AnyWorker[],
  events: ReadonlyMap<string, AnyEvent>,
  report: Report,
): void {
  for (const worker of workers) {
    const handled = new Set<string>();
    for (const handler of worker.handlers) {
      const { event, site } = handler;
      checkPolicy(worker.name, handler, report);
      if (event?.kind !== "event") {
        report(`A handler of "${worker.name}" names something that is not an event.`, site);
        continue;
      }
      const known = events.get(event.type);
      if (known === undefined) {
        report(
          `"${worker.name}" handles "${event.type}", which nothing accepts or emits; add it to \`accepts\`.`,
          site,
        );
      } else if (known !== event) {
        report(`"${worker.name}" handles another definition of "${event.type}".`, site);
      }
      if (handled.has(event.type)) report(`"${worker.name}" handles "${event.type}" twice.`, site);
      handled.add(event.type);
    }
  }
}

/** A slip in what a handler says of its attempts would show itself only in the first failure. */
function checkPolicy(worker: string, handler: HandlerDefinition<never>, report: Report): void {
  const { attempts, backoff = {}, timeoutMs, whenDead, site } = handler;
  const numbers = [
    ["attempts", attempts, limits.attemptsPerEventMax],
    ["timeoutMs", timeoutMs, limits.delayMaxMs],
    ["backoff.firstMs", backoff.firstMs, limits.delayMaxMs],
    ["backoff.maxMs", backoff.maxMs, limits.delayMaxMs],
  ] as const;
  for (const [name, value, max] of numbers) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= max))
      continue;
    report(`A handler of "${worker}" has \`${name}\` ${value}; it takes 1 to ${max}.`, site);
  }
  if (whenDead === "continue" || whenDead === "hold") return;
  report(`A handler of "${worker}" has \`whenDead\` "${whenDead}": "continue" or "hold".`, site);
}

function checkEvent(event: AnyEvent, report: Report): void {
  if (!eventName.test(event.type) || event.type.length > limits.nameLengthMax) {
    report(`The event type "${event.type}" must look like "post.published".`, event.site);
  }
  if (typeof event.data?.["~standard"]?.validate !== "function") {
    report(`"${event.type}" has no Standard Schema in \`data\`.`, event.site);
  }
  checkUpgrades(event, report);
  if (typeof event.key !== "function") {
    report(`"${event.type}" has no \`key\`: every event needs one, it sets the order.`, event.site);
  }
}

/** A gap among the steps would show itself only in the first old event. */
function checkUpgrades({ type, version, upgrade, site }: AnyEvent, report: Report): void {
  if (!Number.isSafeInteger(version) || version < 1) {
    report(`"${type}" has the \`version\` ${version}; it takes 1, 2, 3, …`, site);
    return;
  }
  for (let from = 1; from < version; from++) {
    if (typeof upgrade[from] === "function") continue;
    report(`"${type}" has version ${version}, and no \`upgrade\` from ${from}.`, site);
  }
  for (const from of Object.keys(upgrade)) {
    if (Number(from) >= 1 && Number(from) < version) continue;
    report(`"${type}" upgrades from ${from}, and its version is ${version}.`, site);
  }
}

function checkWorkers(workers: readonly AnyWorker[], report: Report): void {
  const names = new Set<string>();
  for (const worker of workers) {
    const { name, site } = worker;
    if (!boxName.test(name) || name.length > limits.nameLengthMax) {
      report(`The worker's name "${name}" must look like "timelines".`, site);
    }
    if (reservedNames.has(name)) report(`A worker cannot be called "${name}".`, site);
    if (names.has(name)) report(`Two workers are called "${name}".`, site);
    names.add(name);
    checkSchedules(worker, report);
    if (worker.startFrom !== "beginning" && worker.startFrom !== "now") {
      report(`"${name}" has \`startFrom\` "${worker.startFrom}": "beginning" or "now".`, site);
    }
    if (worker.database?.kind !== "database") report(`"${name}" has no database.`, site);
    for (const [query, definition] of Object.entries(worker.queries)) {
      if (!queryName.test(query)) report(`The query "${name}/${query}" has a bad name.`, site);
      if ((definition as { kind?: string }).kind !== "query") {
        report(`"${name}/${query}" is not a query.`, site);
      }
    }
  }
}

function checkSchedules({ name: worker, schedules }: AnyWorker, report: Report): void {
  const names = new Set<string>();
  for (const definition of schedules) {
    const { name, missed, site } = definition;
    const what = `The schedule "${name}" of "${worker}"`;
    if (!boxName.test(name) || name.length > limits.nameLengthMax) {
      report(`The schedule's name "${name}" must look like "daily-report".`, site);
    }
    if (names.has(name)) report(`"${worker}" has two schedules "${name}".`, site);
    names.add(name);
    if (!["once", "all", "skip"].includes(missed)) {
      report(`${what} has \`missed\` "${missed}": "once", "all" or "skip".`, site);
    }
    const flaw = flawOf(definition);
    if (flaw !== undefined) report(`${what} ${flaw}`, site);
  }
}

/** What keeps a schedule from ever making an event. */
function flawOf({ cron, timeZone, event, data }: ScheduleDefinition): string | undefined {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    return `has the time zone "${timeZone}", which there is not.`;
  }
  try {
    if (ticksOf({ cron, timeZone }).next(new Date(0)) === undefined) {
      return `never ticks: no time fits "${cron}".`;
    }
  } catch (thrown) {
    return `has the expression "${cron}", which cannot be read: ${asError(thrown).message}`;
  }
  if (typeof data === "function" || event?.kind !== "event") return undefined;
  const checked = validate(event.data, data);
  if (checked instanceof Promise || checked.faults === undefined) return undefined;
  const faults = checked.faults.map(({ detail, pointer }) => `${pointer} ${detail}`).join("; ");
  return `has data that does not fit "${event.type}": ${faults}.`;
}

function checkWebhooks(webhooks: readonly WebhookDefinition[], report: Report): void {
  const paths = new Set<string>();
  for (const { path, verify, site } of webhooks) {
    if (!/^(?:\/[a-z0-9][a-z0-9-]*)+$/.test(path)) {
      report(`The webhook's path "${path}" must look like "/hooks/github".`, site);
    }
    if (reservedNames.has(path.split("/")[1] ?? ""))
      report(`The path "${path}" is reserved.`, site);
    if (paths.has(path)) report(`Two webhooks have the path "${path}".`, site);
    if (typeof verify !== "function") report(`The webhook "${path}" has no \`verify\`.`, site);
    paths.add(path);
  }
}
