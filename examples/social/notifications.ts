import { defineDatabase, defineWorker, type HandlerOptions, on, query } from "millrace";
import { z } from "zod";
import { MentionFound, NotificationsRead, person, SettingsChanged } from "./events.ts";
import {
  addNotification,
  listOf,
  markRead,
  type NotificationTables,
  saveSettings,
  settingsOf,
  unreadOf,
} from "./notifications-store.ts";
import { lingerFor, stumbleOver } from "./trouble.ts";

/** The names of what the cache holds: queries fill these keys, handlers touch them. */
const keys = {
  list: (user: string) => `list:${user}`,
  unread: (user: string) => `unread:${user}`,
  settings: (user: string) => `settings:${user}`,
};

const database = defineDatabase<NotificationTables>({
  migrations: {
    "001-notifications-settings": async (db) => {
      await db.schema
        .createTable("notifications")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("user", "text", (column) => column.notNull())
        .addColumn("by", "text", (column) => column.notNull())
        .addColumn("post", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .addColumn("at", "text", (column) => column.notNull())
        .addColumn("read", "integer", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("notifications_by_user")
        .on("notifications")
        .columns(["user", "at", "id"])
        .execute();
      await db.schema
        .createTable("settings")
        .addColumn("user", "text", (column) => column.primaryKey())
        .addColumn("mentions", "integer", (column) => column.notNull())
        .execute();
    },
  },
});

const ofUser = z.object({ user: person });

/** A mention that fails is soon given up, and holds its key until a person has decided about it. */
const inTrouble: HandlerOptions<NotificationTables, typeof MentionFound, never, void> = {
  prepare: ({ data }, { signal }) => lingerFor(data.text, signal),
  attempts: 3,
  backoff: { firstMs: 500, maxMs: 2_000 },
  timeoutMs: 5_000,
  whenDead: "hold",
};

/** Worker B of the picture: tells people that somebody mentioned them, if they want to know. */
export const notifications = defineWorker("notifications", database, {
  description: "Who was mentioned, and whether they have seen it.",
  handlers: [
    on(MentionFound, inTrouble, async (event, { db, cache }) => {
      const { user, by, post, text } = event.data;
      stumbleOver(text);
      const settings = await cache.get(keys.settings(user), () => settingsOf(db, user));
      if (!settings.mentions || by === user) return;
      const at = event.time.toISOString();
      await addNotification(db, { id: event.id, user, by, post, text, at, read: 0 });
      cache.touch([keys.list(user), keys.unread(user)]);
    }),
    on(NotificationsRead, async ({ data: { user } }, { db, cache }) => {
      await markRead(db, user);
      cache.touch([keys.list(user), keys.unread(user)]);
    }),
    on(SettingsChanged, async ({ data: { user, mentions } }, { db, cache }) => {
      await saveSettings(db, user, mentions);
      cache.touch(keys.settings(user));
    }),
  ],
  queries: {
    list: query(
      {
        input: ofUser,
        cacheKey: ({ user }) => keys.list(user),
        description: "A person's newest notifications.",
      },
      ({ input, db }) => listOf(db, input.user),
    ),
    unread: query(
      {
        input: ofUser,
        cacheKey: ({ user }) => keys.unread(user),
        description: "How many notifications a person has not seen.",
      },
      ({ input, db }) => unreadOf(db, input.user),
    ),
    settings: query(
      {
        input: ofUser,
        cacheKey: ({ user }) => keys.settings(user),
        description: "What a person wants to be told.",
      },
      ({ input, db }) => settingsOf(db, input.user),
    ),
  },
});
