/** The port of what counts requests in windows of time, so that somebody can limit them. */
export interface RateCounter {
  /** Counts one request of `key`. Never fails because of a store that is gone. */
  count(key: string): Promise<Counted>;
}

export interface Counted {
  /** How many there were in this window, this one included. */
  readonly requests: number;
  /** How long the window lasts. */
  readonly msLeft: number;
}

/** So many requests in each window, per client, else per address. */
export interface RateLimit {
  readonly requests: number;
  readonly windowSeconds: number;
}
