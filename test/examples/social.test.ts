/**
 * The social example does what people expect of it, run as they run it: in processes, through the
 * load balancer. And one request of it makes the thirteen hops of the picture, each exactly once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RunningSystem, startSystem } from "../../examples/running-system.ts";
import { run } from "../cli/command-line.ts";

const app = fileURLToPath(new URL("../../examples/social/app.ts", import.meta.url));
const patience = { timeout: 60_000, interval: 100 };
let system: RunningSystem;
let folder: string;

const millrace = (...args: readonly string[]) => run(args, { env: { MILLRACE_DATA: folder } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millrace-social-"));
  system = await startSystem(app, {
    data: folder,
    readyPaths: ["/timelines/home?user=ada", "/notifications/list?user=ada"],
  });
});

afterAll(async () => {
  expect(await system.stop()).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

interface Receipt {
  readonly id: string;
  readonly partition: number;
  readonly position: number;
}

async function publish(type: string, data: object, headers = {}): Promise<Receipt> {
  const response = await fetch(`${system.url}/events/${type}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(data),
  });
  expect(response.ok, await response.clone().text()).toBe(true);
  return (await response.json()) as Receipt;
}

// biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of each answer.
type Answer = any;

async function ask(query: string, user: string, after?: Receipt): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (after) headers["millrace-after"] = `${after.partition}:${after.position}`;
  const response = await fetch(`${system.url}/${query}?user=${user}`, { headers });
  expect(response.status).toBe(200);
  return await response.json();
}

const texts = (posts: readonly { text: string }[]) => posts.map(({ text }) => text);

const thirteenHops = [
  "1 user → load balancer",
  "2 load balancer → API gateway",
  "3 API gateway → event producer",
  "4 event producer → message queue",
  "5 message queue → worker A",
  "6 worker A → cache A (look up)",
  "7 worker A → database A",
  "8 worker A → cache A (refresh)",
  "9 worker A → message queue",
  "10 message queue → worker B",
  "11 worker B → cache B (look up)",
  "12 worker B → database B",
  "13 worker B → cache B (refresh)",
];

it("makes the thirteen hops of the picture, each once", async () => {
  const { id } = await publish("post.published", { author: "ada", text: "hello @grace" });
  await vi.waitFor(async () => expect(await hopsOf(id)).toEqual(thirteenHops), 10_000);
});

it("ends at hop 8 where nobody is mentioned", async () => {
  const { id } = await publish("post.published", { author: "ada", text: "hello" });
  await vi.waitFor(async () => expect(await hopsOf(id)).toEqual(thirteenHops.slice(0, 8)), 10_000);
});

it("traces a request that asks for it, as the page does", async () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  const { id } = await publish(
    "post.published",
    { author: "ada", text: "hello @linus" },
    { traceparent },
  );
  await vi.waitFor(async () => expect(await hopsOf(id)).toEqual(thirteenHops), 10_000);
  expect((await tracesOf(id)).map((trace) => trace.traceId)).toEqual([traceId]);
});

it("shows the posts of those whom one follows, until one unfollows them", async () => {
  const followed = await publish("user.followed", { user: "eve", follows: "frank" });
  expect(await ask("timelines/home", "eve", followed)).toEqual([]);
  await publish("post.published", { author: "frank", text: "one" });
  const two = await publish("post.published", { author: "frank", text: "two" });
  expect(texts(await ask("timelines/home", "eve", two))).toEqual(["two", "one"]);

  const own = await publish("post.published", { author: "eve", text: "mine" });
  expect(texts(await ask("timelines/home", "eve", own))).toEqual(["mine", "two", "one"]);
  expect(await ask("timelines/profile", "frank")).toMatchObject({ followers: 1, follows: [] });
  expect(await ask("timelines/people", "eve")).toContainEqual({
    name: "frank",
    posts: 2,
    followed: true,
  });

  const unfollowed = await publish("user.unfollowed", { user: "eve", follows: "frank" });
  expect(texts(await ask("timelines/home", "eve", unfollowed))).toEqual(["mine"]);
  const three = await publish("post.published", { author: "frank", text: "three" });
  expect(texts(await ask("timelines/home", "eve", three))).toEqual(["mine"]);
});

it("tells people once who mentioned them, as long as they want to know", async () => {
  const mention = (text: string) => publish("post.published", { author: "gus", text });
  const expectMentions = (wanted: readonly string[]) =>
    vi.waitFor(async () => expect(texts(await ask("notifications/list", "hal"))).toEqual(wanted), {
      timeout: 10_000,
    });

  await mention("hi @Hal and @hal, it is @gus");
  await expectMentions(["hi @Hal and @hal, it is @gus"]);
  expect(await ask("notifications/list", "gus")).toEqual([]);
  expect(await ask("notifications/unread", "hal")).toEqual({ unread: 1 });

  const read = await publish("notifications.read", { user: "hal" });
  expect(await ask("notifications/unread", "hal", read)).toEqual({ unread: 0 });

  await publish("settings.changed", { user: "hal", mentions: false });
  const quiet = await mention("psst @hal");
  await untilDone(quiet);
  const on = await publish("settings.changed", { user: "hal", mentions: true });
  expect(await ask("notifications/settings", "hal", on)).toEqual({ mentions: true });
  await mention("again @hal");
  await expectMentions(["again @hal", "hi @Hal and @hal, it is @gus"]);
});

it.each(["#fail", "#hang", "#crash"])(
  "lets %s cost one key until a person has mended it",
  async (trouble) => {
    const user = `trouble-${trouble.slice(1)}`;
    const mention = (name: string, text: string) =>
      publish("post.published", { author: "ivy", text: `${text} @${name}` });
    await mention(user, `first ${trouble}`);
    await mention(user, "second");
    await mention(`${user}-other`, "third");
    const letters = async () => {
      const { stdout } = await millrace("dead-letters", "list", "--key", user, "--json");
      return stdout.split("\n").filter((line) => line !== "");
    };
    await vi.waitFor(async () => expect(await letters()).toHaveLength(1), patience);
    const letter = JSON.parse((await letters())[0] ?? "");
    expect(letter).toMatchObject({ attempts: 3, isHeld: true });
    expect(await ask("notifications/list", user)).toEqual([]);
    await vi.waitFor(
      async () => expect(await ask("notifications/list", `${user}-other`)).toHaveLength(1),
      patience,
    );
    const mended = JSON.stringify({ ...letter.data, text: "mended" });
    const edited = await millrace(
      ...["dead-letters", "edit", letter.id, mended, "--app", app, "--retry"],
    );
    expect(edited.code, edited.stderr).toBe(0);
    await vi.waitFor(async () => {
      const list = await ask("notifications/list", user);
      expect(texts(list).toReversed()).toEqual(["mended", `second @${user}`]);
    }, patience);
  },
  90_000,
);

it("lets #slow take its time, and others go on", async () => {
  await publish("post.published", { author: "ivy", text: "@tortoise #slow" });
  await publish("post.published", { author: "ivy", text: "@hare" });
  await vi.waitFor(async () => {
    expect(await ask("notifications/list", "hare")).toHaveLength(1);
    expect(await ask("notifications/list", "tortoise")).toHaveLength(1);
  }, patience);
});

it("refuses what is no post", async () => {
  const response = await fetch(`${system.url}/events/post.published`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ author: "no spaces please", text: "x".repeat(501) }),
  });
  expect(response.status).toBe(422);
  const { errors } = (await response.json()) as { errors: { pointer: string }[] };
  expect(errors.map(({ pointer }) => pointer)).toEqual(["#/data/author", "#/data/text"]);
});

/** Done everywhere, what its handlers emitted included: its trace has reached the last hop. */
async function untilDone({ id }: Receipt): Promise<void> {
  await vi.waitFor(async () => expect(await hopsOf(id)).toContain(thirteenHops[11]), 10_000);
}

interface Trace {
  readonly traceId: string;
  readonly spans: readonly { readonly hop?: number; readonly hopName?: string }[];
}

async function tracesOf(id: string): Promise<readonly Trace[]> {
  const response = await fetch(`${system.url}/events/${id}/trace`);
  return ((await response.json()) as { traces: Trace[] }).traces;
}

async function hopsOf(id: string): Promise<string[]> {
  const [trace] = await tracesOf(id);
  return (trace?.spans ?? [])
    .flatMap(({ hop, hopName }) => (hop === undefined ? [] : [{ hop, name: `${hop} ${hopName}` }]))
    .sort((one, other) => one.hop - other.hop)
    .map(({ name }) => name);
}
