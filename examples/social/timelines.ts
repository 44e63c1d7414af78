import { defineWorker, on, query } from "millrace";
import { z } from "zod";
import { MentionFound, PostPublished, person, UserFollowed, UserUnfollowed } from "./events.ts";
import { mentionsIn } from "./mentions.ts";
import {
  addPost,
  follow,
  followersOf,
  homeOf,
  peopleFor,
  profileOf,
  unfollow,
} from "./timelines-store.ts";
import { timelineDatabase } from "./timelines-tables.ts";

/** The names of what the cache holds: queries fill these keys, handlers touch them. */
const keys = {
  followers: (author: string) => `followers:${author}`,
  home: (user: string) => `home:${user}`,
  profile: (user: string) => `profile:${user}`,
};

const ofUser = z.object({ user: person });

/** Worker A of the picture: keeps the posts and who follows whom, and answers what to read. */
export const timelines = defineWorker("timelines", timelineDatabase, {
  description: "Posts, who follows whom, and the timelines that come of it.",
  handlers: [
    on(PostPublished, { emits: [MentionFound] }, async (event, { db, cache, emit }) => {
      const { author, text } = event.data;
      const followers = await cache.get(keys.followers(author), () => followersOf(db, author));
      await addPost(db, { id: event.id, author, text, at: event.time.toISOString() });
      cache.touch([keys.profile(author), keys.home(author), ...followers.map(keys.home)]);
      for (const user of mentionsIn(text)) {
        emit(MentionFound, { user, by: author, post: event.id, text });
      }
    }),
    on(UserFollowed, async ({ data: { user, follows } }, { db, cache }) => {
      await follow(db, user, follows);
      cache.touch([
        keys.followers(follows),
        keys.home(user),
        keys.profile(user),
        keys.profile(follows),
      ]);
    }),
    on(UserUnfollowed, async ({ data: { user, follows } }, { db, cache }) => {
      await unfollow(db, user, follows);
      cache.touch([
        keys.followers(follows),
        keys.home(user),
        keys.profile(user),
        keys.profile(follows),
      ]);
    }),
  ],
  queries: {
    home: query(
      {
        input: ofUser,
        cacheKey: ({ user }) => keys.home(user),
        description: "The newest posts of a person and of those whom they follow.",
      },
      ({ input, db }) => homeOf(db, input.user),
    ),
    profile: query(
      {
        input: ofUser,
        cacheKey: ({ user }) => keys.profile(user),
        description: "A person's own posts, and whom they follow.",
      },
      ({ input, db }) => profileOf(db, input.user),
    ),
    people: query(
      { input: ofUser, description: "Who wrote last, and whether the person follows them." },
      ({ input, db }) => peopleFor(db, input.user),
    ),
  },
});
