import type { styleText } from "node:util";
import { withoutPassword } from "../lib/text.ts";
import { version } from "../lib/version.ts";
import type { Config } from "../runtime/config.ts";
import type { SystemSummary } from "../runtime/summary.ts";
import type { BoxStatus } from "../runtime/supervisor.ts";

export interface FirstScreen {
  readonly app: string;
  readonly summary: SystemSummary;
  readonly config: Config;
  readonly boxes: readonly Pick<BoxStatus, "kind" | "name">[];
  /** Where the API is; undefined where no balancer runs here. */
  readonly port: number | undefined;
  /** Where the admin API is; undefined where it is turned off or runs elsewhere. */
  readonly adminPort: number | undefined;
  readonly firstKey: string | undefined;
  readonly paint: (format: Parameters<typeof styleText>[0], text: string) => string;
}

/** What runs where, what to open, and what to try first. */
export function firstScreen(screen: FirstScreen): string {
  const { app, summary, config, port, adminPort, paint } = screen;
  const what = `${summary.name} (${app})`;
  const where = `data ${config.data}, ${engineNames(config)}`;
  const title = paint("bold", `millrace ${version}`);
  const lines = [`${title}   node ${process.versions.node}   ${what}   ${where}`];
  if (port !== undefined) {
    const url = `http://${hostOf(config.host)}:${port}`;
    lines.push(row("API", `${paint("cyan", url)}     ${balancerLine(screen)}`));
    if (summary.hasPage) lines.push(row("Page", paint("cyan", `${url}/`)));
    lines.push(row("Docs", paint("cyan", `${url}/docs`)));
  } else if (names(screen, "gateway").length > 0) {
    lines.push(row("Gateways", names(screen, "gateway").join("   ")));
  }
  if (adminPort !== undefined) {
    const url = `http://${hostOf(config.adminHost)}:${adminPort}`;
    lines.push(row("Admin", `${paint("cyan", url)}     dead letters, queue`));
  }
  const workers = workersLine(screen);
  if (workers !== "") lines.push(row("Workers", workers));
  if (screen.firstKey !== undefined) {
    lines.push(row("Key", `${paint("yellow", screen.firstKey)}   of admin; shown this once`));
  }
  const curl = curlLine(screen);
  if (curl !== undefined) lines.push(row("Try", curl));
  return lines.join("\n");
}

const row = (label: string, text: string): string => `  ${label.padEnd(10)} ${text}`;

const names = ({ boxes }: FirstScreen, kind: BoxStatus["kind"]): string[] =>
  boxes.filter((box) => box.kind === kind).map(({ name }) => name.replace(/-(\d+)$/, " $1"));

const balancerLine = (screen: FirstScreen): string =>
  `balancer → ${names(screen, "gateway").join(", ") || "gateways elsewhere"}`;

/** `timelines ×2   notifications`, each with its own database and cache. */
function workersLine({ boxes, summary }: FirstScreen): string {
  const running = summary.workers.flatMap((name) => {
    const count = boxes.filter((box) => new RegExp(`^worker-${name}-\\d+$`).test(box.name)).length;
    if (count === 0) return [];
    return [count === 1 ? name : `${name} ×${count}`];
  });
  if (running.length === 0) return "";
  const each =
    running.length === 1 ? "with its database and cache" : "each with its database and cache";
  return `${running.join("   ")}         ${each}`;
}

const engineNames = ({ queue, database }: Config): string =>
  queue === "sqlite:" && database === "sqlite:"
    ? "SQLite, full sync"
    : `queue ${shortOf(queue)}, database ${shortOf(database)}`;

/** Without its options, and without its password. */
const shortOf = (address: string): string => withoutPassword(address).replace(/\?.*/, "");

/** A browser on this machine reaches every address of it as localhost. */
function hostOf(host: string): string {
  if (["127.0.0.1", "::1", "0.0.0.0", "::", "localhost"].includes(host)) return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

function curlLine({ port, config, summary, firstKey }: FirstScreen): string | undefined {
  const { example } = summary;
  if (port === undefined || example === undefined) return undefined;
  const needsKey = !config.auth.includes("open");
  const key = needsKey ? ` -H 'authorization: Bearer ${firstKey ?? "YOUR-KEY"}'` : "";
  // A quote inside a shell's single quotes ends them, stands escaped, and begins them again.
  const data = JSON.stringify(example.data).replaceAll("'", "'\\''");
  const address = `${hostOf(config.host)}:${port}/events/${example.type}`;
  return `curl ${address} -H 'content-type: application/json'${key} -d '${data}'`;
}
