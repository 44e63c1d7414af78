/**
 * The steps of a worker that change what a crash leaves behind, each with what it makes durable.
 * The text says what is true after it; before it, none of that is.
 *
 * One transaction can be several steps at once: all of them lie before its commit, or all after.
 */
export const passSteps = {
  take: "partitions have this instance's epoch, and nothing of its predecessor's is known yet",
  prepare: "handlers have prepared what they do outside the transaction",
  note: "the attempt of a suspected event is noted",
  commit: "inbox, effects, outbox and positions are written",
  park: "events wait in their keys' lines, or wait there for another attempt",
  drain: "events have left their keys' lines",
  bury: "events have become dead letters",
  sweep: "outbox rows that the queue has confirmed are gone",
  release: "the touched keys of the cache may be filled again",
  relay: "the queue has the outbox's events, whose rows are still there",
} as const;

export type PassStep = keyof typeof passSteps;

/** Where a worker stands: `before-commit`, `after-commit`, … */
export type PassPoint = `${"before" | "after"}-${PassStep}`;

/** Called at each point as it is passed, waited for by nobody; it must not throw. */
export type Observe = (point: PassPoint) => void;

export const passPoints: readonly PassPoint[] = Object.keys(passSteps).flatMap((step) => [
  `before-${step as PassStep}` as const,
  `after-${step as PassStep}` as const,
]);
