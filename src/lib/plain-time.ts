/**
 * Time and chance for code that also runs in browsers: nothing of Node, and timers that keep a
 * process alive, since somebody awaits them.
 */
export interface PlainTime {
  /** Milliseconds since 1970. */
  now(): number;
  /** Rejects with the signal's reason where it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1). */
  fraction(): number;
}

export const plainTime: PlainTime = {
  now: () => Date.now(),
  fraction: () => Math.random(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      const abort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, ms);
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    });
  },
};
