import type { NatsConnection } from "@nats-io/transport-node";

/** Why a request is not waited for any longer; what it asked for may have been done. */
export class LeaderChanged extends Error {
  override readonly name = "LeaderChanged";
}

/**
 * Hears of the stream's new leaders. A request that the last one had not answered never is, and
 * where that one stands still, or is cut off, nobody says so either: whoever waits would wait out
 * its time. A user who may not listen loses no more than that.
 */
export class Elections {
  readonly #waiting = new Set<(reason: Error) => void>();

  constructor(nc: NatsConnection, stream: string) {
    nc.subscribe(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${stream}`, {
      callback: (error) => {
        if (error !== null) return;
        for (const giveUp of this.#waiting) giveUp(new LeaderChanged("it has another leader"));
        this.#waiting.clear();
      },
    });
  }

  /** Settles as the request does. @throws LeaderChanged where an election comes before */
  async during<Result>(request: Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.add(reject);
    request.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
