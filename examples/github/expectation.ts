import type { Delivery } from "./deliveries.ts";

/** Feed → deliveries that must stand in it; person → deliveries of which they must be told. */
export interface Expectation {
  readonly feeds: ReadonlyMap<string, ReadonlySet<string>>;
  readonly inboxes: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * What must come of the deliveries, worked out from the raw payloads by other code than the
 * application's: two programs rarely make the same mistake.
 */
export function expectedOf(deliveries: readonly Delivery[]): Expectation {
  const feeds = new Map<string, Set<string>>();
  const inboxes = new Map<string, Set<string>>();
  for (const { id, body } of deliveries) {
    const payload = JSON.parse(body);
    put(feeds, feedOf(payload), id);
    for (const person of new Set(peopleOf(payload))) put(inboxes, person, id);
  }
  return { feeds, inboxes };
}

/** The shape is GitHub's, of sixty kinds; what is absent reads as undefined. */
// biome-ignore lint/suspicious/noExplicitAny: see above.
type RawPayload = any;

function feedOf(payload: RawPayload): string {
  const name: string =
    payload.repository?.full_name ??
    (payload.organization && `org:${payload.organization.login}`) ??
    (payload.sender && `user:${payload.sender.login}`) ??
    "github";
  return name.toLowerCase();
}

function peopleOf(payload: RawPayload): string[] {
  const { assignee, requested_reviewer, member, membership, sender } = payload;
  const tasks: Record<string, string | undefined> = {
    assigned: assignee?.login,
    review_requested: requested_reviewer?.login,
    added: member?.login ?? membership?.user?.login,
    member_added: membership?.user?.login,
  };
  const about = payload.issue ?? payload.pull_request ?? payload.discussion;
  const author = payload.comment || payload.review ? about?.user?.login : undefined;
  const talk = [author, ...mentioned(payload)].filter((login) => !isSame(login, sender?.login));
  return [tasks[payload.action], ...talk].flatMap((login) => login?.toLowerCase() ?? []);
}

const isSame = (one: string | undefined, other: string | undefined) =>
  one?.toLowerCase() === other?.toLowerCase();

function mentioned(payload: RawPayload): string[] {
  const writes = ["opened", "created", "edited", "submitted", "published", undefined];
  if (!writes.includes(payload.action)) return [];
  const { comment, review, issue, pull_request, discussion, release } = payload;
  const thing = comment ?? review ?? issue ?? pull_request ?? discussion ?? release;
  const commits: string[] = (payload.commits ?? []).map((commit: RawPayload) => commit.message);
  return [thing?.body ?? "", ...commits]
    .flatMap((text) => text.split(/\s+/))
    .flatMap((word) => /^[("'*_]*@([A-Za-z0-9-]+?)-*(?:[^\w/-].*)?$/.exec(word)?.[1] ?? []);
}

function put(sets: Map<string, Set<string>>, name: string, id: string): void {
  sets.set(name, (sets.get(name) ?? new Set()).add(id));
}
