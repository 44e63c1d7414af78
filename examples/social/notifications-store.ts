import type { Kysely } from "kysely";

/** The tables of `notifications`. `read` and `mentions` are 0 or 1. */
export interface NotificationTables {
  notifications: {
    id: string;
    user: string;
    by: string;
    post: string;
    text: string;
    at: string;
    read: number;
  };
  settings: { user: string; mentions: number };
}

type Db = Kysely<NotificationTables>;

const notificationsMax = 50;

export async function addNotification(
  db: Db,
  notification: NotificationTables["notifications"],
): Promise<void> {
  await db.insertInto("notifications").values(notification).execute();
}

export async function markRead(db: Db, user: string): Promise<void> {
  await db
    .updateTable("notifications")
    .set({ read: 1 })
    .where("user", "=", user)
    .where("read", "=", 0)
    .execute();
}

export async function listOf(db: Db, user: string) {
  const rows = await db
    .selectFrom("notifications")
    .select(["id", "by", "post", "text", "at", "read"])
    .where("user", "=", user)
    .orderBy("at", "desc")
    .orderBy("id", "desc")
    .limit(notificationsMax)
    .execute();
  return rows.map((row) => ({ ...row, read: row.read === 1 }));
}

export async function unreadOf(db: Db, user: string): Promise<{ unread: number }> {
  const row = await db
    .selectFrom("notifications")
    .select((is) => is.fn.countAll<number>().as("count"))
    .where("user", "=", user)
    .where("read", "=", 0)
    .executeTakeFirstOrThrow();
  return { unread: Number(row.count) };
}

/** Who never said anything is told about mentions. */
export async function settingsOf(db: Db, user: string): Promise<{ mentions: boolean }> {
  const row = await db
    .selectFrom("settings")
    .select("mentions")
    .where("user", "=", user)
    .executeTakeFirst();
  return { mentions: row === undefined || row.mentions === 1 };
}

export async function saveSettings(db: Db, user: string, mentions: boolean): Promise<void> {
  const value = mentions ? 1 : 0;
  await db
    .insertInto("settings")
    .values({ user, mentions: value })
    .onConflict((conflict) => conflict.column("user").doUpdateSet({ mentions: value }))
    .execute();
}
