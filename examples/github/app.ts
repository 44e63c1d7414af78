/**
 * Real input: GitHub's webhooks, signed as GitHub signs them. `activity` keeps a feed for each
 * repository and finds whom a delivery concerns; `inbox` tells those people.
 *
 * Nothing stands in `accepts`: an activity comes in through the signed webhook or not at all.
 */
import { defineSystem } from "millrace";
import { activity } from "./activity.ts";
import { inbox } from "./inbox.ts";
import { githubWebhook } from "./webhook.ts";

export default defineSystem("github", {
  description: "Feeds and notifications from GitHub's webhooks.",
  accepts: [],
  workers: [activity, inbox],
  webhooks: [githubWebhook],
});
