/**
 * Thrown by a handler that knows that the event can never succeed. It becomes a dead letter at
 * once, however many attempts are left.
 *
 * @example
 * if (account === undefined) throw new Reject(`There is no account ${event.data.account}.`);
 */
export class Reject extends Error {
  override readonly name = "Reject";
  readonly kind = "reject";
}

/**
 * Thrown by a handler that knows when it is worth trying again; it takes the place of the growing
 * delay. The attempt counts like any other.
 *
 * @example
 * if (answer.status === 429) throw new RetryAfter(30_000, "The bank asks for patience.");
 */
export class RetryAfter extends Error {
  override readonly name = "RetryAfter";
  readonly kind = "retry-after";
  /** Milliseconds from now, or the time itself. */
  readonly when: number | Date;

  constructor(when: number | Date, message?: string, options?: ErrorOptions) {
    super(message ?? "The handler asks for another attempt later.", options);
    this.when = when;
  }
}

/**
 * Told by their kinds and not by their classes: the application may bring its own copy of the
 * package.
 */
export const isReject = (thrown: unknown): thrown is Reject => kindOf(thrown) === "reject";
export const isRetryAfter = (thrown: unknown): thrown is RetryAfter =>
  kindOf(thrown) === "retry-after";

const kindOf = (thrown: unknown): unknown =>
  thrown instanceof Error ? (thrown as { kind?: unknown }).kind : undefined;
