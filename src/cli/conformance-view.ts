import type { styleText } from "node:util";
import type { ConformanceReport } from "../trial/conformance.ts";
import type { Check } from "../trial/verdict.ts";
import { columnsText } from "./columns.ts";
import { counted } from "./output.ts";

type Paint = (format: Parameters<typeof styleText>[0], text: string) => string;

/** The report for people; what matters most comes last. */
export function conformanceText(report: ConformanceReport, paint: Paint): string {
  const { system, engines, events, keys, types, checks, warnings } = report;
  const chosen = Object.entries(engines).map(([engine, url]) => `${engine} ${url}`);
  const ways = Map.groupBy(checks, ({ way }) => way);
  return [
    `${paint("bold", `conformance ${system}`)}  ${chosen.join(", ")}`,
    `${counted(events, "event")} of ${counted(types.length, "type")} under ${counted(keys, "key")}`,
    ...[...ways].flatMap(([way, list]) => ["", way, columnsText(list.map(rowOf(paint)))]),
    "",
    ...warnings.map((warning) => paint("yellow", `! ${warning}`)),
    ...checks.flatMap(({ way, name, findings }) =>
      findings.map((finding) => paint("red", `${way}, ${name}: ${finding}`)),
    ),
    verdictLine(report, paint),
  ].join("\n");
}

const rowOf =
  (paint: Paint) =>
  ({ name, isSame, compared }: Check): string[] => [
    `  ${isSame ? paint("green", "✓") : paint("red", "✗")} ${name}`,
    compared,
  ];

const verdictLine = ({ verdict, checks }: ConformanceReport, paint: Paint): string =>
  verdict === "conforms"
    ? paint("green", "conforms: the same effects, in the same order for each key")
    : paint(
        "red",
        `DIFFERS: ${counted(checks.filter(({ isSame }) => !isSame).length, "check")} of ${checks.length}`,
      );
