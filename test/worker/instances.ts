/** A queue and a worker's database on real engines, and processes that run the worker on them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, expect, vi } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { check, type Effect, type Published, violations } from "../../src/drill/checker.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { idMaker } from "../../src/lib/ids.ts";
import type { QueueEngine } from "../../src/queue/engine.ts";
import { createQueue, type Queue } from "../../src/queue/queue.ts";
import { makeEvent } from "../../src/system/make-event.ts";
import type { PassPoint } from "../../src/worker/pass-points.ts";
import { prepareBookkeeping } from "../../src/worker/tables.ts";
import { readAll } from "../queue/support.ts";
import {
  Counted,
  effectsDatabase,
  Followed,
  type InstanceLine,
  type InstanceOptions,
  isFollowed,
  isRejected,
  type Order,
  type Tables,
} from "./instance-app.ts";
import { openDatabase, openQueue, type Place } from "./instance-engines.ts";

/** How long a test waits for what must come; how often it looks. */
export const patience = { timeout: 30_000, interval: 10 };

/** The server on which the engines are; without one they are files. */
let server: (() => string) | undefined;

/** Lets the instances of a test file have their queues and databases on a PostgreSQL server. */
export function usePostgres(url: () => string): void {
  server = url;
}
export const isOnPostgres = (): boolean => server !== undefined;

/** Keys that spread over all four partitions. */
const keys = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** What Node made of the sources: to make it anew is most of what an instance's start takes. */
const compiled = mkdtempSync(join(tmpdir(), "millrace-compiled-"));
afterAll(() => rmSync(compiled, { recursive: true, force: true }));

const program = fileURLToPath(new URL("./instance-process.ts", import.meta.url));

export class InstanceProcess {
  readonly exited: Promise<void>;
  /** What the fence has said, each time. */
  readonly fenced: string[] = [];
  readonly fatal: string[] = [];
  /** Of everything else that stood in its way. */
  readonly warned: string[] = [];
  /** Where it sent itself the last signal. */
  at: PassPoint | undefined;
  readonly #child: ChildProcess;
  #heard = Promise.withResolvers<void>();

  constructor(options: InstanceOptions) {
    const stdio = ["ignore", "pipe", "inherit", "ipc"] as const;
    const env = { ...process.env, NODE_COMPILE_CACHE: compiled };
    this.#child = fork(program, [JSON.stringify(options)], { env, stdio: [...stdio] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("the instance has no output");
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => this.#hear(JSON.parse(line)));
    this.exited = Promise.all([once(this.#child, "exit"), once(lines, "close")]).then(() => {});
  }

  /** The signal that ended it, or its exit code; undefined while it runs. */
  get end(): string | number | undefined {
    return this.#child.signalCode ?? this.#child.exitCode ?? undefined;
  }

  signal(signal: "SIGKILL" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Resolves when the instance has heard it. */
  async order(order: Order): Promise<void> {
    this.at = undefined;
    this.#heard = Promise.withResolvers();
    this.#child.send(order);
    await this.#heard.promise;
  }

  async stop(): Promise<void> {
    this.#child.send({ stop: true } satisfies Order);
    await this.exited;
    expect(this.end).toBe(0);
  }

  #hear({ heard, at, fenced, fatal, warned }: InstanceLine): void {
    if (heard === true) this.#heard.resolve();
    if (at !== undefined) this.at = at;
    if (fenced !== undefined) this.fenced.push(fenced);
    if (fatal !== undefined) this.fatal.push(fatal);
    if (warned !== undefined) this.warned.push(warned);
  }
}

export class Instances implements AsyncDisposable {
  readonly #place: Place;
  readonly #engine: QueueEngine;
  readonly #queue: Queue;
  readonly #database: DatabaseEngine;
  readonly #ids = idMaker();
  readonly #published: Published[] = [];
  readonly #started: InstanceProcess[] = [];

  private constructor(place: Place, engine: QueueEngine, database: DatabaseEngine) {
    this.#place = place;
    this.#engine = engine;
    this.#queue = createQueue(engine, { clock: systemClock });
    this.#database = database;
  }

  static async open(): Promise<Instances> {
    const folder = await mkdtemp(join(tmpdir(), "millrace-instances-"));
    const place = { folder, ...(server === undefined ? {} : { postgres: server() }) };
    const database = await openDatabase(place);
    await prepareBookkeeping(database);
    await database.migrate("counter", effectsDatabase.migrations);
    return new Instances(place, await openQueue(place), database);
  }

  start(options: Omit<InstanceOptions, "place">): InstanceProcess {
    const started = new InstanceProcess({ place: this.#place, ...options });
    this.#started.push(started);
    return started;
  }

  /** The next events of all keys, in one append. */
  async publish(count: number): Promise<void> {
    const next = Array.from({ length: count }, (_, at) => this.#published.length + at).map((n) => ({
      id: this.#ids(),
      key: keys[n % keys.length] ?? "",
      // Grows within a key, and what is done with it does not depend on the key.
      n: n + Math.floor(n / keys.length),
    }));
    const time = new Date(0).toISOString();
    const events = next.map(async ({ id, key, n }) => ({
      event: await makeEvent(
        Counted,
        { key, n },
        { id, source: "/bench/test", time, attributes: {} },
      ),
    }));
    await this.#queue.append(await Promise.all(events));
    this.#published.push(...next);
  }

  /** The partitions that each instance holds. */
  async owned(): Promise<ReadonlyMap<string, readonly number[]>> {
    const rows = await this.#database.read<{ partition: number; owner: string }>(
      "select partition, owner from millrace_positions where owner is not null",
    );
    const byOwner = Map.groupBy(rows, ({ owner }) => owner);
    return new Map([...byOwner].map(([owner, of]) => [owner, of.map((row) => row.partition)]));
  }

  /**
   * Whether everything in the queue is applied or a dead letter, and nothing is on its way there.
   * What is emitted counts by its outbox row, so the queue's ends are asked for last.
   */
  async isDrained(): Promise<boolean> {
    // One statement, so that all of it is of one moment.
    const rows = await this.#database.read<{ what: string; partition: number; rest: string }>(
      `select 'applied' as what, partition, cast(position as text) as rest from millrace_positions
       union all select 'parked', partition, '' from millrace_parked
       union all select 'outbox', partition, event from millrace_outbox`,
    );
    const of = (what: string) => rows.filter((row) => row.what === what);
    if (of("parked").length > 0) return false;
    // Where rows are removed beside the passes, nothing has to happen for it.
    if (isOnPostgres() && of("outbox").length > 0) return false;
    for (const { rest } of of("outbox")) {
      if ((await this.#engine.find(JSON.parse(rest).id)).length === 0) return false;
    }
    const positions = new Map(of("applied").map((row) => [row.partition, Number(row.rest)]));
    const ends = await this.#engine.ends();
    return [...ends].every(([partition, end]) => (positions.get(partition) ?? 0) >= end);
  }

  /** Waits until all is done. */
  async drained(): Promise<void> {
    await vi.waitUntil(() => this.isDrained(), patience);
  }

  async effects(): Promise<Required<Tables["effects"]>[]> {
    return await this.#database.read("select * from effects order by seq");
  }

  /** Lost, doubled, invented or out of order: the events, their follow-ups, and the queue's own. */
  async violations(): Promise<string[]> {
    const effects = await this.effects();
    const letters = await this.#database.read<{ event: string }>(
      "select event from millrace_dead_letters",
    );
    const dead = letters.map(({ event }): Effect => JSON.parse(JSON.parse(event).data));
    const of = (name: string) => effects.filter(({ type }) => type === name);
    const followed = this.#published.filter(({ n }) => isFollowed(n) && !isRejected(n));
    const stored = (await readAll(this.#engine)).map(({ event }): Effect => JSON.parse(event.data));
    expect(dead.map(({ n }) => n).sort((a, b) => a - b)).toEqual(
      this.#published.map(({ n }) => n).filter(isRejected),
    );
    expect(stored).toHaveLength(this.#published.length + followed.length);
    return [
      ...violations(check(this.#published, of(Counted.type), { parked: [], dead })),
      ...violations(check(followed, of(Followed.type))),
      ...this.#started.flatMap(({ fatal }) => fatal),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started) {
      started.signal("SIGKILL");
      await started.exited;
    }
    await this.#queue.close();
    await this.#database.close();
    await rm(this.#place.folder, { recursive: true, force: true });
  }
}
