import type { Reason } from "./events.ts";
import type { Payload } from "./payload.ts";

export interface Concerned {
  readonly user: string;
  readonly reason: Reason;
}

/** A GitHub login after an `@`: not part of an address, a path, a team (`@org/team`) or of code. */
const mention = /(?<![\w@`/.-])@([a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38})(?![\w/])/gi;

/** Only these actions write a text; `closed` carries the old one once more. */
const writingActions = new Set([
  undefined,
  "opened",
  "created",
  "edited",
  "submitted",
  "published",
]);
const peopleMax = 100;

/**
 * Whom a payload concerns: who was assigned, asked for a review, taken in, mentioned, or whose
 * issue or pull request was commented on. Each person once, for the first reason. What one gives
 * oneself to do stands in the inbox too; what one says oneself does not.
 */
export function peopleIn(payload: Payload): Concerned[] {
  const sender = payload.sender?.login.toLowerCase();
  const found = new Map<string, Concerned>();
  const add = (user: string, reason: Reason) => {
    const name = user.toLowerCase();
    if (!found.has(name)) found.set(name, { user, reason });
  };
  for (const [user, reason] of tasksIn(payload)) if (user !== undefined) add(user, reason);
  for (const [user, reason] of talkIn(payload)) {
    if (user !== undefined && user.toLowerCase() !== sender) add(user, reason);
  }
  return [...found.values()].slice(0, peopleMax);
}

type Candidate = readonly [user: string | undefined, reason: Reason];

function* tasksIn(payload: Payload): Generator<Candidate> {
  const { action } = payload;
  if (action === "assigned") yield [payload.assignee?.login, "assign"];
  if (action === "review_requested") yield [payload.requested_reviewer?.login, "review_requested"];
  if (action === "added" || action === "member_added") {
    yield [(payload.member ?? payload.membership?.user)?.login, "member"];
  }
}

function* talkIn(payload: Payload): Generator<Candidate> {
  for (const user of mentionsIn(payload)) yield [user, "mention"];
  if (payload.comment || payload.review) {
    yield [(payload.issue ?? payload.pull_request ?? payload.discussion)?.user?.login, "author"];
  }
}

function mentionsIn(payload: Payload): string[] {
  if (!writingActions.has(payload.action)) return [];
  const newest =
    payload.comment ??
    payload.review ??
    payload.issue ??
    payload.pull_request ??
    payload.discussion ??
    payload.release;
  const texts = [newest?.body, ...(payload.commits ?? []).map(({ message }) => message)];
  return Array.from(texts.join("\n").matchAll(mention), ([, user = ""]) => user);
}
