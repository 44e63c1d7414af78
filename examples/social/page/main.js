import { ask, publish } from "./api.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { byId } from "./dom.js";
import { refreshTimes } from "./format.js";
import { Identity } from "./identity.js";
import { Notifications } from "./notifications.js";
import { People } from "./people.js";
import { Timeline } from "./timeline.js";
import { TracePanel } from "./trace.js";

/** How many turns pass between two looks at what changes seldom. */
const slowTurns = 3;

const identity = new Identity(() => {
  turn = 0;
  forget();
  connection.now();
});
const trace = new TracePanel(byId("trace"));
const timeline = new Timeline();
const notifications = new Notifications(act);
const people = new People(act, () => identity.name);
const composer = new Composer(() => identity.name, trace, after);
const connection = new Connection(refresh);

let turn = 0;

function forget() {
  for (const part of [timeline, notifications, people]) part.clear();
  composer.clear();
}

/** Asks for everything that is shown. Answers for somebody whom one no longer is are dropped. */
async function refresh() {
  const { name } = identity;
  const slow = turn++ % slowTurns === 0;
  const [home, list, unread, others, settings] = await Promise.all([
    ask("timelines/home", name),
    ask("notifications/list", name),
    ask("notifications/unread", name),
    slow ? ask("timelines/people", name) : undefined,
    slow ? ask("notifications/settings", name) : undefined,
  ]);
  if (name !== identity.name) return;
  timeline.show(home);
  notifications.show(list, unread.unread);
  if (others) {
    people.show(others);
    identity.suggest(others.map((person) => person.name));
  }
  if (settings) notifications.showSettings(settings);
  refreshTimes();
}

/** Brings up what an own event changed: the answers are at least as new as its receipt. */
async function after(receipt) {
  const { name } = identity;
  const [home, others, settings] = await Promise.all([
    ask("timelines/home", name, receipt),
    ask("timelines/people", name, receipt),
    ask("notifications/settings", name, receipt),
  ]);
  if (name !== identity.name) return;
  timeline.show(home);
  people.show(others);
  notifications.showSettings(settings);
  notifications.show(
    await ask("notifications/list", name, receipt),
    (await ask("notifications/unread", name, receipt)).unread,
  );
}

/** Publishes a small event of this person's; a failure is left to the next turn, which shows it. */
async function act(type, data) {
  try {
    await after(await publish(type, { user: identity.name, ...data }));
  } catch {
    connection.now();
  }
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element && event.target.closest("button");
  if (!button) return;
  const { profile, trace: post } = button.dataset;
  if (profile) people.open(profile);
  if (post) {
    byId("profile").close();
    trace.follow(post, button.dataset.text);
    trace.reveal();
  }
});

connection.run();
