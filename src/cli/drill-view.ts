import type { styleText } from "node:util";
import type { DrillProgress } from "../drill/drill.ts";
import { grouped, inSeconds } from "../drill/page.ts";
import type { DrillReport, WorkerReport } from "../drill/report.ts";
import { columnsText } from "./columns.ts";
import type { Output } from "./output.ts";
import { progressBar } from "./progress-bar.ts";
import { StatusLine } from "./status-line.ts";

type Paint = (format: Parameters<typeof styleText>[0], text: string) => string;

/** How far a drill is: a line for each fault, and on a terminal a last line that moves. */
export class DrillMeter implements Disposable {
  readonly #output: Output;
  readonly #status = new StatusLine();
  #fault: string | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  show({ share, remainingMs, accepted, applied, ratePerSecond, fault }: DrillProgress): void {
    if (fault !== this.#fault) {
      this.#status.set("");
      if (fault !== undefined) this.#output.progress(`  ${fault}`);
    }
    this.#fault = fault;
    const left = remainingMs > 0 ? `${Math.ceil(remainingMs / 1_000)} s left` : "last faults";
    this.#status.set(
      `${progressBar(share)} ${grouped(accepted)} accepted, ${grouped(ratePerSecond)} a second, ${grouped(accepted - applied)} waiting, ${left}`,
    );
  }

  [Symbol.dispose](): void {
    this.#status.set("");
  }
}

/** The report for people; what matters most comes last. */
export function reportText(report: DrillReport, paint: Paint): string {
  const { system, faults, reads, longestStallMs, recoveryMs, red } = report;
  const where = system.isOwn ? "its own system" : "attached";
  const engines = `queue ${system.queue} database ${system.database} cache ${system.cache}`;
  const load = `${report.ratePerSecond} events a second for ${report.seconds} s`;
  const workers = Object.entries(report.workers);
  const sum = (name: keyof WorkerReport) =>
    workers.reduce((total, [, worker]) => total + worker[name], 0);
  const zero = (count: number) => (count === 0 ? "0" : paint("red", grouped(count)));
  const faultRows = faults.map(({ what, atMs, healedAtMs, recoveryMs: recovered }) => [
    inSeconds(atMs),
    what,
    healedAtMs - atMs < 100 ? "" : `for ${inSeconds(healedAtMs - atMs)}`,
    recovered === null ? "not recovered" : `recovered in ${inSeconds(recovered)}`,
  ]);
  return [
    `${paint("bold", `drill ${report.drill}`)}  ${system.name} (${where}), ${engines}, ${load}`,
    "",
    columnsText(faultRows),
    "",
    `accepted         ${grouped(report.accepted)}`,
    `effects          ${workers.map(([name, { effects }]) => `${name} ${grouped(effects)}`).join(", ")}`,
    `lost             ${zero(sum("lost"))}`,
    `doubled          ${zero(sum("doubled"))}`,
    `out of order     ${zero(sum("outOfOrder"))}`,
    `dead letters     ${zero(sum("dead"))}`,
    ...(reads === undefined
      ? []
      : [`stale reads      ${zero(reads.stale)} of ${grouped(reads.asked)}`]),
    `longest stall    ${inSeconds(longestStallMs.accepting)} accepting, ${inSeconds(longestStallMs.applying)} applying`,
    `time to recover  ${recoveryMs === null ? paint("red", "not seen") : inSeconds(recoveryMs)}`,
    "",
    ...red.map((line) => paint("red", line)),
    verdictLine(report, paint),
  ].join("\n");
}

function verdictLine({ verdict, isInterrupted }: DrillReport, paint: Paint): string {
  const early = isInterrupted ? ", as far as it came: it was interrupted" : "";
  return verdict === "kept"
    ? paint("green", `kept: every promise held${early}`)
    : paint("red", `BROKEN: a promise did not hold${early}`);
}
