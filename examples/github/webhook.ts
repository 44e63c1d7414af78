import { createHmac, timingSafeEqual } from "node:crypto";
import { type DataInput, type WebhookRequest, webhook, webhookEvent } from "millrace";
import { RepositoryActivity } from "./events.ts";
import { type Payload, payloadSchema } from "./payload.ts";
import { peopleIn } from "./people.ts";

/** For a try on one's own computer only: GitHub and you agree on a real one. */
const developmentSecret = "development-secret";
const secret = process.env.GITHUB_WEBHOOK_SECRET ?? developmentSecret;

/** `sha256=` and the HMAC of the body in hexadecimal, as `x-hub-signature-256` carries it. */
export const signatureOf = (body: Uint8Array, key: string): string =>
  `sha256=${createHmac("sha256", key).update(body).digest("hex")}`;

/** Compares in a time that tells nothing of how much was right. */
export function isSigned({ headers, rawBody }: WebhookRequest, key: string): boolean {
  const given = Buffer.from(headers["x-hub-signature-256"] ?? "");
  const expected = Buffer.from(signatureOf(rawBody, key));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

export const githubWebhook = webhook({
  path: "/hooks/github",
  events: [RepositoryActivity],
  description: "Takes GitHub's webhooks; the delivery's id makes a redelivery a duplicate.",
  verify: (request) => isSigned(request, secret),
  toEvent: ({ headers, body }) => {
    const delivery = headers["x-github-delivery"];
    const event = headers["x-github-event"];
    if (delivery === undefined || event === undefined) return undefined;
    const activity = activityOf(event, delivery, payloadSchema.parse(body));
    return webhookEvent(RepositoryActivity, activity, delivery);
  },
});

export function activityOf(
  event: string,
  delivery: string,
  payload: Payload,
): DataInput<typeof RepositoryActivity> {
  const subject = subjectOf(payload);
  return {
    delivery,
    event,
    action: payload.action,
    repository: placeOf(payload),
    sender: payload.sender?.login,
    summary: summaryOf(event, payload).slice(0, 300),
    url: (subject?.html_url ?? payload.compare ?? payload.repository?.html_url)?.slice(0, 2_000),
    people: peopleIn(payload),
  };
}

/** Where it happened: the feed in which it stands, and the key that orders it. */
function placeOf({ repository, organization, sender }: Payload): string {
  if (repository) return repository.full_name;
  if (organization) return `org:${organization.login}`;
  return sender ? `user:${sender.login}` : "github";
}

const subjectOf = (payload: Payload) =>
  payload.comment ??
  payload.review ??
  payload.pull_request ??
  payload.issue ??
  payload.discussion ??
  payload.release ??
  payload.check_run ??
  payload.workflow_run ??
  payload.workflow_job;

/** "issues opened: #3 Spelling error", as far as the payload tells. */
function summaryOf(event: string, payload: Payload): string {
  const what = payload.pull_request ?? payload.issue ?? payload.discussion ?? subjectOf(payload);
  const title = what?.title ?? what?.name ?? what?.tag_name ?? payload.ref;
  const number = what?.number ? `#${what.number} ` : "";
  const head = [event.replaceAll("_", " "), payload.action?.replaceAll("_", " ")].filter(Boolean);
  return head.join(" ") + (title ? `: ${number}${title}` : "");
}
