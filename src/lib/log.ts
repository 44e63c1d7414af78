/** What the code needs of a logger; pino is one. Fields first, then one sentence for people. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds these fields to every line. */
  child(bindings: Readonly<Record<string, unknown>>): Log;
}

/** Says nothing: for tests, and for parts that nobody gave a logger. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};
