import { isMillraceError } from "../lib/errors.ts";
import { type Config, type Flags, parseConfig } from "../runtime/config.ts";
import { checkApplication } from "../runtime/doctor/application.ts";
import { checkCache } from "../runtime/doctor/cache.ts";
import { checkComputer } from "../runtime/doctor/computer.ts";
import { checkData } from "../runtime/doctor/data.ts";
import type { Finding } from "../runtime/doctor/finding.ts";
import { checkPorts } from "../runtime/doctor/port.ts";
import { checkPostgres } from "../runtime/doctor/postgres.ts";
import { inspectEngines } from "../runtime/safe-engines.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

interface Call {
  readonly app: string | undefined;
  readonly flags: Flags;
  readonly output: Output;
}

/** Every check, each line with its remedy. Fails where one is red. */
export async function runDoctor({ app, flags, output }: Call): Promise<ExitCode> {
  const findings: Finding[] = await checkComputer();
  const { config, found } = checkVariables(flags);
  findings.push(...found);
  if (config !== undefined) {
    findings.push(...(await checkPorts(config)));
    findings.push(...(await checkData(config)));
    findings.push(...(await checkCache(config)));
    findings.push(...(await inspectEngines(config)));
    findings.push(...(await checkPostgres(config)));
    if (app !== undefined) findings.push(...(await checkApplication(app, config)));
  }
  const isBad = findings.some(({ status }) => status === "fail");
  if (output.json) output.value({ status: isBad ? "fail" : "pass", findings });
  else for (const finding of findings) tell(finding, output);
  if (app === undefined)
    output.progress("With an application it says more: millrace doctor app.ts");
  return isBad ? 1 : 0;
}

function checkVariables(flags: Flags): { config?: Config; found: Finding[] } {
  const what = "Configuration";
  try {
    const { config } = parseConfig(flags, process.env);
    return { config, found: [{ what, status: "pass", detail: "every setting can be read" }] };
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const found = error.faults.map(({ detail, pointer }): Finding => {
      const remedy = `Correct ${pointer}, or unset it. All settings: docs/configuration.md`;
      return { what, status: "fail", detail, remedy };
    });
    return { found };
  }
}

const marks = {
  pass: { format: "green", mark: "ok  " },
  warn: { format: "yellow", mark: "warn" },
  fail: { format: "red", mark: "FAIL" },
} as const;

function tell({ what, status, detail, remedy }: Finding, output: Output): void {
  const { format, mark } = marks[status];
  output.line(`${output.paint(format, mark)}  ${what.padEnd(14)} ${detail}`);
  if (remedy !== undefined) output.line(`      ${" ".repeat(14)} ${remedy}`);
}
