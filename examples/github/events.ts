import { defineEvent } from "millrace";
import { z } from "zod";

/** Why somebody is told of something; the words that GitHub's own notifications use. */
export const reason = z.enum(["assign", "review_requested", "member", "mention", "author"]);
export type Reason = z.infer<typeof reason>;

const login = z.string().min(1).max(100);

/** One delivery of a GitHub webhook, boiled down to what a feed shows: one form for every kind. */
export const RepositoryActivity = defineEvent("repository.activity", {
  data: z.object({
    /** `x-github-delivery`. */
    delivery: z.string().min(1).max(100),
    /** `x-github-event`: `issues`, `push`, … */
    event: z.string().min(1).max(100),
    action: z.string().max(100).optional(),
    /** `owner/name`; where a payload names no repository, `org:…`, `user:…` or `github`. */
    repository: z.string().min(1).max(250),
    sender: login.optional(),
    summary: z.string().max(300),
    url: z.string().max(2_000).optional(),
    /** Whom this concerns, each person once. */
    people: z.array(z.object({ user: login, reason })).max(100),
  }),
  key: ({ repository }) => repository.toLowerCase(),
  description: "Something happened in a repository, or around it.",
});

/** Emitted by `activity`, once for each person whom an activity concerns. */
export const PersonNotified = defineEvent("person.notified", {
  data: z.object({
    user: login,
    reason,
    delivery: z.string(),
    repository: z.string(),
    summary: z.string(),
    url: z.string().optional(),
  }),
  key: ({ user }) => user.toLowerCase(),
  description: "Somebody is to be told of an activity.",
});
