import { type ServerEngine, serverEngines, type Target, targetNames } from "../drill/targets.ts";
import { MillraceError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import type { DrillCommandOptions } from "./drill.ts";

/** What a drill is asked to do, checked. */
export interface DrillCall {
  readonly target: Target | "all";
  readonly faultNames: readonly string[] | undefined;
  /** On servers that the drill starts; all others are the embedded ones. */
  readonly engines: readonly ServerEngine[];
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly holdMs: number;
  readonly patienceMs: number;
  /** Under how many keys events are published. */
  readonly keys: number;
  readonly app: string | undefined;
  readonly type?: string;
  /** Worker → where it keeps the id of each event. */
  readonly effectColumns: ReadonlyMap<string, { readonly table: string; readonly column: string }>;
  readonly gateways: string;
  readonly workers: string | undefined;
  readonly attach: string | undefined;
  readonly url: string | undefined;
  /** A folder. */
  readonly report: string;
}

const keysMax = 64;
/** So that each key shows at least so often in a second whether its partition works. */
const eventsPerKeyAndSecond = 5;

/** @throws MR_USAGE */
export function parseDrill(given: DrillCommandOptions & { readonly target: string }): DrillCall {
  const { app, attach, type, url, gateways, workers, report, effects = [] } = given;
  const ratePerSecond = numberOf("--rate", given.rate, 1, 100_000);
  if (attach !== undefined && app === undefined) {
    throw usage("--attach takes the application, too.", "Add --app app.ts.");
  }
  for (const [flag, value] of Object.entries({ "--type": type, "--effects": given.effects })) {
    if (value === undefined || app !== undefined) continue;
    throw usage(`${flag} belongs to --app.`, "Add --app app.ts, or leave it out.");
  }
  if (given.engine !== undefined && attach !== undefined) {
    throw usage("--engine does not go with --attach.", "A system that runs has its engines.");
  }
  if (url !== undefined && attach === undefined) {
    throw usage("--url belongs to --attach.", "A drill of its own system finds it by itself.");
  }
  return {
    target: targetOf(given.target),
    faultNames: given.faults?.split(",").map((name) => name.trim()),
    engines: (given.engine?.split(",") ?? []).map((name) => engineOf(name.trim())),
    ratePerSecond,
    seconds: numberOf("--seconds", given.seconds, 1, 86_400),
    holdMs: numberOf("--hold", given.hold, 0, 3_600) * 1_000,
    patienceMs: numberOf("--patience", given.patience, 1, 3_600) * 1_000,
    keys: Math.min(keysMax, Math.max(1, Math.floor(ratePerSecond / eventsPerKeyAndSecond))),
    app,
    ...(type === undefined ? {} : { type }),
    effectColumns: new Map(effects.map(columnOf)),
    gateways,
    workers,
    attach,
    url,
    report,
  };
}

function targetOf(text: string): Target | "all" {
  const known = [...targetNames, "all"] as const;
  const found = known.find((name) => name === text);
  if (found !== undefined) return found;
  throw usage(
    `There is no drill "${text}".${didYouMean(text, known)}`,
    `Drills: ${known.join(", ")}.`,
  );
}

function engineOf(text: string): ServerEngine {
  const found = serverEngines.find((name) => name === text);
  if (found !== undefined) return found;
  throw usage(
    `There is no engine "${text}" to drill.${didYouMean(text, serverEngines)}`,
    `Engines on servers: ${serverEngines.join(", ")}. Without --engine all are embedded.`,
  );
}

function numberOf(flag: string, text: string, from: number, to: number): number {
  const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= from && value <= to) return value;
  throw usage(
    `${flag} is ${JSON.stringify(text)}.`,
    `It takes a number between ${from} and ${to}.`,
  );
}

/** `notes:notes.id` */
function columnOf(text: string): [string, { readonly table: string; readonly column: string }] {
  const [, worker, table, column] = /^([a-z][a-z0-9-]*):(\w+)\.(\w+)$/.exec(text) ?? [];
  if (worker === undefined || table === undefined || column === undefined) {
    throw usage(
      `--effects is ${JSON.stringify(text)}.`,
      "It takes a worker, a table of it and a column: notes:notes.id.",
    );
  }
  return [worker, { table, column }];
}

const usage = (message: string, remedy: string): MillraceError =>
  new MillraceError("MR_USAGE", message, { remedy });
