import { defineEvent } from "millrace";
import { z } from "zod";

/** A person's name, in lower case: `ada`, `grace-2`. Part of keys, hence short. */
export const person = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$/, "must be 1 to 30 of a-z, 0-9 and inner hyphens");

/** The posts of one author are handled in the order in which they were accepted. */
export const PostPublished = defineEvent("post.published", {
  data: z.object({ author: person, text: z.string().trim().min(1).max(500) }),
  key: (post) => post.author,
  description: "Somebody wrote a post.",
  example: { author: "ada", text: "hello @grace" },
});

/** Keyed by the follower, as the next one is: who follows and unfollows ends as they meant it. */
export const UserFollowed = defineEvent("user.followed", {
  data: z.object({ user: person, follows: person }),
  key: ({ user }) => user,
  description: "Somebody wants to see the posts of somebody else.",
  example: { user: "grace", follows: "ada" },
});

export const UserUnfollowed = defineEvent("user.unfollowed", {
  data: z.object({ user: person, follows: person }),
  key: ({ user }) => user,
  description: "Somebody does not want to see the posts of somebody else any more.",
  example: { user: "grace", follows: "ada" },
});

/** Emitted by `timelines`, once for each person that a post mentions. */
export const MentionFound = defineEvent("mention.found", {
  data: z.object({ user: person, by: person, post: z.string(), text: z.string() }),
  key: ({ user }) => user,
  description: "A post mentions somebody.",
});

export const NotificationsRead = defineEvent("notifications.read", {
  data: z.object({ user: person }),
  key: ({ user }) => user,
  description: "Somebody has seen their notifications.",
  example: { user: "grace" },
});

export const SettingsChanged = defineEvent("settings.changed", {
  data: z.object({ user: person, mentions: z.boolean() }),
  key: ({ user }) => user,
  description: "Somebody wants, or does not want, to be told when a post mentions them.",
  example: { user: "grace", mentions: false },
});
