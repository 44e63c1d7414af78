interface StopSignalsOptions {
  /** The second Ctrl-C: ends every process at once. */
  readonly onKill: () => void;
  /** SIGHUP where no terminal was closed: renew what can be renewed without a pause. */
  readonly onRenew?: () => void;
}

/**
 * What signals mean for a running system: the first Ctrl-C, or SIGTERM, lets it finish; the second
 * ends it at once. Both are safe. SIGHUP renews the gateways, as with other servers, unless it says
 * that the terminal is gone.
 */
export class StopSignals {
  /** Resolves, with nothing, at the first signal to stop. */
  readonly stop: Promise<undefined>;
  #isStopping = false;

  constructor({ onKill, onRenew }: StopSignalsOptions) {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.stop = promise;
    const stop = () => {
      if (this.#isStopping) {
        onKill();
        process.exit(130);
      }
      this.#isStopping = true;
      resolve(undefined);
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    const hasTerminal = process.stdin.isTTY === true;
    process.on("SIGHUP", hasTerminal || onRenew === undefined ? stop : onRenew);
  }
}
