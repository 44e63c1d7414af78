/**
 * docs/scale-out.md, followed from its first line to its last on hosts of its own: each command
 * ends well, the trace has all thirteen hops, and of the events that a client publishes from when
 * there are three hosts until the end, through every step, none is lost and none comes twice.
 */
import { describe, expect, it, vi } from "vitest";
import { Load } from "../../src/drill/load.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { type Block, blocksOf, wordValue } from "../docs/guide.ts";
import { withoutHaproxy } from "../support/haproxy.ts";
import { hostsMissing } from "../support/hosts.ts";
import { natsMissing } from "../support/nats-cluster.ts";
import { withoutRedis } from "../support/redis-server.ts";
import { GuideHosts } from "./guide-hosts.ts";

const guide = "docs/scale-out.md";
const isCi = process.env.CI === "true";
const missing =
  (isCi ? undefined : hostsMissing()) ?? natsMissing() ?? withoutRedis ?? withoutHaproxy;

describe.skipIf(missing !== undefined)(`${guide}${missing ? ` (skipped: ${missing})` : ""}`, () => {
  it("takes a reader from one machine to three, and loses nothing on the way", {
    timeout: 600_000,
  }, async () => {
    await using hosts = await GuideHosts.open(["one", "two", "three", "four"]);
    const reader = new Reader(hosts);
    for (const block of await blocksOf(guide)) await reader.follow(block);
    await reader.checkEvents();
  });
});

class Reader {
  readonly #hosts: GuideHosts;
  #printed = "";
  #load: Load | undefined;

  constructor(hosts: GuideHosts) {
    this.#hosts = hosts;
  }

  async follow(block: Block): Promise<void> {
    const word = (name: string) => wordValue(block, name);
    const [file, copies] = [word("file"), word("copies")];
    if (file !== undefined) await this.#hosts.write(file, block.text);
    else if (block.words.includes("hosts")) this.#hosts.know(block.text);
    else if (copies !== undefined) await this.#hosts.copy(copies.split(","));
    else if (word("host") !== undefined) await this.#run(block, word("host") ?? "");
  }

  /** In the end all that the client was told is accepted has been applied, once. */
  async checkEvents(): Promise<void> {
    const load = this.#load;
    if (load === undefined) throw new Error("the guide never came to three hosts");
    await load.stop();
    const texts = load.published.map(({ key, n }) => `${key}-${n}`);
    expect(texts.length).toBeGreaterThan(20);
    await vi.waitFor(
      async () => {
        const rows = await this.#hosts.query<{ text: string }>(
          "select text from millrace_timelines.posts where text like 'key%'",
        );
        expect(rows.map(({ text }) => text).toSorted()).toEqual(texts.toSorted());
      },
      { timeout: 60_000, interval: 500 },
    );
  }

  async #run(block: Block, where: string): Promise<void> {
    const names = where.split(",");
    const [serves, stops] = [wordValue(block, "serves"), wordValue(block, "stops")];
    const runs = names.map(async (host) => {
      if (stops !== undefined) return await this.#hosts.stop(host, stops);
      if (serves === undefined) return await this.#hosts.run(host, block.text);
      await this.#hosts.serve(host, serves, block.text);
      if (block.words.includes("briefly")) await this.#hosts.stop(host, serves);
    });
    const [printed] = await Promise.all(runs);
    this.#printed = printed ?? "";
    // Nothing tells a password.
    expect(this.#printed).not.toContain("change-me");
    if (block.text.includes("--only balancer")) await this.#publish();
    if (block.text.includes("millrace trace")) await this.#untilWhole(block, where);
  }

  /** Spans come in a moment after what they tell of; while partitions change hands, some twice. */
  async #untilWhole(block: Block, host: string): Promise<void> {
    await vi.waitFor(
      async () => {
        if (this.#printed.includes("\n13 hops in ")) return;
        this.#printed = await this.#hosts.run(host, block.text);
        throw new Error(`this is not the whole of it:\n${this.#printed}`);
      },
      { timeout: 60_000, interval: 500 },
    );
    for (let hop = 1; hop <= 13; hop++) {
      expect(this.#printed).toMatch(new RegExp(`^ ?${hop} .* → `, "m"));
    }
  }

  async #publish(): Promise<void> {
    const key = await this.#hosts.run("one", "cat key.txt");
    this.#load = new Load({
      url: this.#hosts.url("one", 8080),
      type: "post.published",
      keys: ["key1", "key2", "key3", "key4"],
      data: (author, n) => ({ author, text: `${author}-${n}` }),
      clock: systemClock,
      ratePerSecond: 8,
      headers: { authorization: `Bearer ${key.trim()}` },
    });
  }
}
