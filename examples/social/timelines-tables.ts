import { defineDatabase } from "millrace";

/** The tables of `timelines`. Times are RFC 3339 in UTC, so that their text sorts as they do. */
export interface TimelineTables {
  posts: { id: string; author: string; text: string; at: string };
  follows: { user: string; follows: string };
  /** Everybody who has written or followed, with their newest post. */
  people: { name: string; posts: number; last_post_at: string };
}

export const timelineDatabase = defineDatabase<TimelineTables>({
  migrations: {
    "001-posts-follows-people": async (db) => {
      await db.schema
        .createTable("posts")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("author", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .addColumn("at", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("posts_by_author")
        .on("posts")
        .columns(["author", "at", "id"])
        .execute();
      await db.schema
        .createTable("follows")
        .addColumn("user", "text", (column) => column.notNull())
        .addColumn("follows", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("follows_pair", ["user", "follows"])
        .execute();
      await db.schema.createIndex("follows_back").on("follows").columns(["follows"]).execute();
      await db.schema
        .createTable("people")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("posts", "integer", (column) => column.notNull())
        .addColumn("last_post_at", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("people_by_time")
        .on("people")
        .columns(["last_post_at"])
        .execute();
    },
  },
});
