/**
 * The reference example: people post, follow and mention each other. One request that mentions
 * somebody makes the thirteen hops of the picture, each once: `timelines` is worker A of it,
 * `notifications` is worker B.
 */
import { defineSystem } from "millrace";
import {
  NotificationsRead,
  PostPublished,
  SettingsChanged,
  UserFollowed,
  UserUnfollowed,
} from "./events.ts";
import { notifications } from "./notifications.ts";
import { timelines } from "./timelines.ts";

export default defineSystem("social", {
  description: "A small social network: posts, followers, mentions.",
  accepts: [PostPublished, UserFollowed, UserUnfollowed, NotificationsRead, SettingsChanged],
  workers: [timelines, notifications],
  page: new URL("./page/", import.meta.url),
});
