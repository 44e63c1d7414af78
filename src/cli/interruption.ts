import type { MillraceError } from "../lib/errors.ts";

/** Aborts with the first Ctrl-C; `reason` says what became of what was begun. */
export function interruption(reason: MillraceError): { readonly signal: AbortSignal } & Disposable {
  const stop = new AbortController();
  const abort = () => stop.abort(reason);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, abort);
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, abort);
    },
  };
}
