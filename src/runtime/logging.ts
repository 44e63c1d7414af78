import pino from "pino";
import type { Log } from "../lib/log.ts";
import type { Config } from "./config.ts";

/** Names of fields whose values are never written, wherever they stand in a line (G8, EN5). */
const secretFields = ["authorization", "cookie", "password", "secret", "token", "apiKey"];

/**
 * The logger of one process: JSON lines on stdout, or readable lines on a terminal. Written at
 * once, so that the last line before a crash is not lost. With `write`, JSON lines go there
 * instead.
 */
export async function createLog(
  config: Pick<Config, "logLevel" | "logFormat">,
  box: string,
  write?: (line: string) => void,
): Promise<Log> {
  const options: pino.LoggerOptions = {
    level: config.logLevel,
    base: { box, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
    redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: "(hidden)" },
  };
  if (write !== undefined) return pino(options, { write });
  const isPretty = config.logFormat === "pretty" || (config.logFormat === "auto" && isTerminal());
  return pino(options, isPretty ? await prettyLines() : pino.destination({ fd: 1, sync: true }));
}

const isTerminal = (): boolean => process.stdout.isTTY === true && process.env.TERM !== "dumb";

/** Loaded only where it is wanted: it takes as long as everything else of the logger. */
async function prettyLines(): Promise<pino.DestinationStream> {
  const { default: pretty } = await import("pino-pretty");
  return pretty({
    sync: true,
    singleLine: true,
    colorize: isTerminal() && !process.env.NO_COLOR,
    translateTime: "HH:MM:ss.l",
    ignore: "pid,hostname,box",
    messageFormat: "{box}  {msg}",
  });
}
