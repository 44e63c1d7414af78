/**
 * A whole system moves: stopped with a backlog, a parked key, a dead letter, an event for later and
 * a paused worker, from embedded engines to real NATS and PostgreSQL servers, and back. At each end
 * everything is done exactly once, in the order of each key, and repeats are known. On the way the
 * command is killed in every part of its work: meanwhile the target starts nowhere, and the same
 * command brings it to its end.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { dataFolderAt } from "../../src/runtime/data-folder.ts";
import { filePlaces } from "../../src/runtime/database-file.ts";
import { Command, run } from "../cli/command-line.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { Picture } from "../whole-picture/picture.ts";

const app = "test/move/app.ts";
const patience = { timeout: 60_000, interval: 100 };
const accounts = ["ada", "bob", "eve", "zoe"];

interface Row {
  readonly seq: number;
  readonly account: string;
  readonly n: number;
}

/** What was published, and what must have come of it. */
class Books {
  readonly #next = new Map<string, number>();
  readonly #expected = new Map<string, number[]>();

  /** `kind` of one event that gets the account's next number. */
  entry(account: string, kind: "plain" | "stuck" | "dead" = "plain") {
    const n = this.#next.get(account) ?? 0;
    this.#next.set(account, n + 1);
    const numbers = this.#expected.get(account) ?? [];
    this.#expected.set(account, numbers);
    if (kind !== "dead") numbers.push(n);
    return { account, n, kind };
  }

  async publish(picture: Picture, count: number): Promise<void> {
    const lines = Array.from({ length: count }, (_, at) =>
      JSON.stringify(this.entry(accounts[at % accounts.length] ?? "")),
    );
    const answer = await fetch(`${picture.url}/events/entry.made`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: `${lines.join("\n")}\n`,
    });
    expect(await answer.text()).toContain(`"accepted":${count}`);
  }

  /** Once, all of them, and each account's in its order. */
  check(rows: readonly Row[]): void {
    const sorted = rows.toSorted((one, other) => one.seq - other.seq);
    const found = Map.groupBy(sorted, ({ account }) => account);
    const numbers = [...found].map(([account, list]) => [account, list.map(({ n }) => n)] as const);
    expect(new Map(numbers)).toEqual(this.#expected);
  }
}

async function post(picture: Picture, data: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`${picture.url}/events/entry.made`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(data),
  });
  return {
    status: answer.status,
    ...((await answer.json()) as { id: string; duplicate?: boolean }),
  };
}

const standingOf = async (picture: Picture, id: string) =>
  (await (await fetch(`${picture.url}/events/${id}`)).json()) as Record<string, unknown>;

const missing = natsMissing();

describePostgres("moving a system", () => {
  describe.skipIf(missing)(missing ?? "to NATS and PostgreSQL, and back", () => {
    let nats: NatsCluster;
    let postgres: PostgresServer;
    let queue = "";
    let database = "";
    const folders: string[] = [];

    beforeAll(async () => {
      [nats, postgres] = await Promise.all([
        NatsCluster.start({ servers: 1 }),
        PostgresServer.start(),
      ]);
      queue = `${nats.url}&monitor=${nats.monitorPorts}&bytes=200000000`;
      database = await postgres.createDatabase();
    });

    afterAll(async () => {
      await Promise.all([nats[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()]);
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    });

    const servers = () => ({
      MILLRACE_QUEUE: queue,
      MILLRACE_DATABASE: database,
      MILLRACE_UNSAFE_ENGINES: "accept",
    });

    const onServer = (worker: string) =>
      postgres.query<Row>(`select seq, account, n from "${worker}".entries`, database);

    const schemaOf = async (worker: string) => {
      const sql = `select schema from millrace.millrace_workers where worker = '${worker}'`;
      const [row] = await postgres.query<{ schema: string }>(sql, database);
      return row?.schema ?? "";
    };

    const inFile = async (data: string, worker: string) => {
      const file = await filePlaces(dataFolderAt(data)).inUse(worker);
      await using engine = Object.assign(await openSqliteDatabase({ file }), {
        [Symbol.asyncDispose]: () => engine.close(),
      });
      return await engine.read<Row>("select seq, account, n from entries");
    };

    /** Kills the command with `kill -9` as soon as it begins with a part. */
    async function killAt(part: RegExp, args: readonly string[]): Promise<void> {
      await using command = new Command(args, { env: servers() });
      await command.prints(part);
      await command.stop("SIGKILL");
    }

    it("keeps every promise, in one go there and in another one back", {
      timeout: 300_000,
    }, async () => {
      const books = new Books();
      await using embedded = await Picture.start(app, ["--gateways", "1"], { LEDGER: "broken" });
      const keyed = books.entry("ada");
      const first = await post(embedded, keyed, { "idempotency-key": '"one"' });
      const dead = await post(embedded, books.entry("bob", "dead"));
      const stuck = await post(embedded, books.entry("eve", "stuck"));
      const later = { account: "later", n: 0 };
      const at = new Date(Date.now() + 3_600_000).toISOString();
      const scheduled = await post(embedded, later, { "millrace-at": at });
      await books.publish(embedded, 200);
      await vi.waitFor(async () => {
        expect(await standingOf(embedded, dead.id)).toMatchObject({ state: "dead" });
        expect(await standingOf(embedded, scheduled.id)).toMatchObject({ state: "scheduled" });
        const status = await embedded.command("queue", "status", "--json");
        expect(status).toMatch(/"parkedEvents":\d\d/);
      }, patience);
      await embedded.command("queue", "pause", "mirror");
      await books.publish(embedded, 400);

      const to = `${queue},${database}`;
      const there = ["move", app, "--from", "sqlite:", "--to", to, "--data", embedded.data];
      const running = await run(there, { env: servers() });
      expect(running.stderr).toContain("MR_MOVE_SOURCE");
      await embedded.stop();

      const env = { MILLRACE_UNSAFE_ENGINES: "accept" };
      const dry = await run(["move", app, "--dry-run", "--json", "--data", embedded.data], { env });
      const survey = JSON.parse(dry.stdout);
      expect(survey.workers.ledger.millrace_parked).toBeGreaterThan(100);
      expect(survey.workers.ledger.millrace_dead_letters).toBe(1);
      expect(survey.workers.ledger.millrace_timers).toBe(1);

      const start = ["start", app, "--port", "0", "--admin-port", "off", "--only", "gateway"];
      const elsewhere = await mkdtemp(join(tmpdir(), "mr-"));
      folders.push(elsewhere);
      // On a machine that is busy enough the servers do not answer in time: then it does not start
      // either, for another reason, and is asked again for the one that counts.
      const refusedThere = () =>
        vi.waitFor(async () => {
          const half = await run([...start, "--data", elsewhere], { env: servers() });
          expect(half.code).toBeGreaterThan(2);
          expect(half.stderr).toContain("MR_QUEUE_SEALED");
        }, patience);
      await killAt(/moving the queue/, there);
      await refusedThere();
      await killAt(/moving ledger/, there);
      await killAt(/moving mirror/, there);
      await killAt(/opening the target/, there);
      await refusedThere();
      const done = await run([...there, "--json"], { env: servers() });
      expect(done).toMatchObject({ code: 0 });
      const moved = JSON.parse(done.stdout);
      expect(moved.events).toBe(survey.events);
      expect(moved.left).toEqual([]);
      const old = await run([...start, "--data", embedded.data]);
      expect(old.stderr).toContain("MR_QUEUE_SEALED");
      const again = await run(there, { env: servers() });
      expect(again.stderr).toContain("MR_MOVE_SOURCE");

      await using onServers = await Picture.start(app, ["--gateways", "1"], servers());
      await books.publish(onServers, 40);
      expect(await post(onServers, keyed, { "idempotency-key": '"one"' })).toMatchObject({
        id: first.id,
        duplicate: true,
      });
      expect(
        await post(onServers, { ...keyed, n: 7 }, { "idempotency-key": '"one"' }),
      ).toMatchObject({ code: "MR_IDEMPOTENCY_REUSED" });
      await vi.waitFor(async () => {
        expect(await standingOf(onServers, stuck.id)).toMatchObject({
          workers: { ledger: { state: "done" } },
        });
        books.check(await onServer(await schemaOf("ledger")));
      }, patience);
      expect(await onServer(await schemaOf("mirror"))).not.toHaveLength(0);
      await onServers.command("queue", "resume", "mirror");
      await vi.waitFor(async () => books.check(await onServer(await schemaOf("mirror"))), patience);
      expect(await standingOf(onServers, dead.id)).toMatchObject({ state: "dead" });
      expect(await standingOf(onServers, scheduled.id)).toMatchObject({ state: "scheduled" });
      expect(await onServers.command("audit")).toContain("move");
      await onServers.command("queue", "pause", "ledger");
      await books.publish(onServers, 60);
      await onServers.stop();

      const back = await mkdtemp(join(tmpdir(), "mr-"));
      folders.push(back);
      const home = ["move", app, "--to", "sqlite:", "--data", back];
      await killAt(/moving ledger/, home);
      const half = await run([...start, "--data", back]);
      expect(half.stderr).toContain("MR_QUEUE_SEALED");
      expect(await run(home, { env: servers() })).toMatchObject({ code: 0 });
      await using homely = await Picture.start(app, ["--gateways", "1", "--data", back]);
      const command = (...args: string[]) => run([...args, "--data", back]);
      expect(await command("queue", "resume", "ledger")).toMatchObject({
        code: 0,
      });
      await books.publish(homely, 20);
      expect(await post(homely, keyed, { "idempotency-key": '"one"' })).toMatchObject({
        id: first.id,
        duplicate: true,
      });
      await vi.waitFor(async () => {
        books.check(await inFile(back, "ledger"));
        books.check(await inFile(back, "mirror"));
      }, patience);
      expect(await standingOf(homely, dead.id)).toMatchObject({ state: "dead" });
      expect(await standingOf(homely, scheduled.id)).toMatchObject({ state: "scheduled" });
      const cancelled = await fetch(`${homely.url}/events/${scheduled.id}`, { method: "DELETE" });
      expect(cancelled.status).toBe(200);
    });
  });
});
