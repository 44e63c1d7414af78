import type { Kysely } from "kysely";
import type { TimelineTables } from "./timelines-tables.ts";

type Db = Kysely<TimelineTables>;
export type Post = TimelineTables["posts"];

/** What one page of each list shows at most. */
const postsMax = 50;
const peopleMax = 12;
const followsMax = 200;
/**
 * How many followers' timelines a post refreshes at once. The homes of those beyond it show the
 * post when their cached copy ends (five minutes by default).
 */
const followersRefreshedMax = 5_000;

export async function followersOf(db: Db, author: string): Promise<string[]> {
  const rows = await db
    .selectFrom("follows")
    .select("user")
    .where("follows", "=", author)
    .limit(followersRefreshedMax)
    .execute();
  return rows.map(({ user }) => user);
}

export async function addPost(db: Db, post: Post): Promise<void> {
  await db.insertInto("posts").values(post).execute();
  await db
    .insertInto("people")
    .values({ name: post.author, posts: 1, last_post_at: post.at })
    .onConflict((conflict) =>
      conflict.column("name").doUpdateSet((row) => ({
        posts: row("people.posts", "+", 1),
        last_post_at: post.at,
      })),
    )
    .execute();
}

export async function follow(db: Db, user: string, follows: string): Promise<void> {
  await db
    .insertInto("follows")
    .values({ user, follows })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function unfollow(db: Db, user: string, follows: string): Promise<void> {
  await db.deleteFrom("follows").where("user", "=", user).where("follows", "=", follows).execute();
}

/** Newest first: the person's own posts and those of the people whom they follow. */
export const homeOf = (db: Db, user: string): Promise<Post[]> =>
  db
    .selectFrom("posts")
    .selectAll()
    .where((is) =>
      is.or([
        is("author", "=", user),
        is("author", "in", is.selectFrom("follows").select("follows").where("user", "=", user)),
      ]),
    )
    .orderBy("at", "desc")
    .orderBy("id", "desc")
    .limit(postsMax)
    .execute();

export async function profileOf(db: Db, user: string) {
  const follows = await db
    .selectFrom("follows")
    .select("follows")
    .where("user", "=", user)
    .orderBy("follows")
    .limit(followsMax)
    .execute();
  const followers = await db
    .selectFrom("follows")
    .select((is) => is.fn.countAll<number>().as("count"))
    .where("follows", "=", user)
    .executeTakeFirstOrThrow();
  const posts = await db
    .selectFrom("posts")
    .selectAll()
    .where("author", "=", user)
    .orderBy("at", "desc")
    .orderBy("id", "desc")
    .limit(postsMax)
    .execute();
  return {
    user,
    follows: follows.map((row) => row.follows),
    followers: Number(followers.count),
    posts,
  };
}

/** Those who wrote last, the person left out. */
export async function peopleFor(db: Db, user: string) {
  const rows = await db
    .selectFrom("people")
    .leftJoin("follows", (join) =>
      join.onRef("follows.follows", "=", "people.name").on("follows.user", "=", user),
    )
    .select(["people.name", "people.posts", "follows.user as follower"])
    .where("people.name", "!=", user)
    .orderBy("people.last_post_at", "desc")
    .limit(peopleMax)
    .execute();
  return rows.map(({ name, posts, follower }) => ({ name, posts, followed: follower !== null }));
}
