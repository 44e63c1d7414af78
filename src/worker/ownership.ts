import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Observe } from "./pass-points.ts";

/** A partition that this instance may try to move: `epoch` fences every commit. */
export interface OwnedPartition {
  readonly partition: number;
  readonly epoch: number;
  /** The one before: this process itself, one that left in order or none, or one that died. */
  readonly predecessor: "self" | "left" | "died";
  /** A person has stopped it. */
  isPaused: boolean;
  /** The position up to which it is applied, as committed. */
  position: number;
}

export interface OwnershipChange {
  readonly taken: readonly OwnedPartition[];
  readonly lost: readonly number[];
  /** A person has stopped a partition of this instance, or lets it go on. */
  readonly isPauseChanged: boolean;
}

/** How long a partition stays with a silent instance, and how often one says that it lives. */
export interface LeaseTimes {
  readonly leaseMs: number;
  readonly heartbeatMs: number;
}

export interface OwnershipParts {
  readonly database: DatabaseEngine;
  readonly instance: string;
  /**
   * The run of the supervisor that this instance belongs to, where a process elsewhere could have
   * its name. Who comes under the same name and run is its next life; any other is somebody else.
   */
  readonly run?: string;
  readonly clock: Clock;
  /** How long partitions stay with a silent instance; the limits where not given. */
  readonly leaseTimes?: LeaseTimes;
  readonly observe?: Observe;
}

interface PositionRow {
  readonly partition: number;
  readonly position: number;
  readonly owner: string | null;
  readonly epoch: number;
  readonly lease_until: number;
  readonly paused: number;
}

/**
 * Shares a worker's partitions among its instances. Every instance says once a second that it
 * lives, renews its leases, lets go of what is beyond its share and takes what is free, all in one
 * transaction and by the database's clock.
 *
 *   free ──take, epoch + 1──▶ owned ──let go, or the lease runs out──▶ free
 *
 * A lease that has run out is as good while its owner says that it lives, which it does beside a
 * transaction that takes long: the rows of the partitions are that transaction's.
 *
 * Leases only decide who tries: what makes it safe that two believe in one partition is the epoch
 * in every commit (`WorkerStore.advance`).
 */
export class Ownership {
  readonly #database: DatabaseEngine;
  readonly #instance: string;
  readonly #run: string;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #observe: Observe | undefined;
  /** How often the leases are renewed. */
  readonly heartbeatMs: number;
  readonly #owned = new Map<number, OwnedPartition>();
  /** Partition → the last epoch under which this process has held it, and known what was left. */
  readonly #held = new Map<number, number>();
  #nextBeat = Number.NEGATIVE_INFINITY;
  #nextRenewal = Number.NEGATIVE_INFINITY;
  #keeping: Disposable | undefined;

  constructor(parts: OwnershipParts) {
    const { database, instance, run = "", clock, leaseTimes = limits, observe } = parts;
    this.#database = database;
    this.#instance = instance;
    this.#run = run;
    this.#clock = clock;
    this.#leaseMs = leaseTimes.leaseMs;
    this.heartbeatMs = leaseTimes.heartbeatMs;
    this.#observe = observe;
  }

  get owned(): ReadonlyMap<number, OwnedPartition> {
    return this.#owned;
  }

  get partitions(): number[] {
    return [...this.#owned.keys()];
  }

  /** Whether it is time to beat again. */
  get isDue(): boolean {
    return this.#clock.monotonic() >= this.#nextBeat;
  }

  get msUntilDue(): number {
    return Math.max(0, this.#nextBeat - this.#clock.monotonic());
  }

  /**
   * Makes the rows of all partitions, once: each begins at its given position. Those that are there
   * are not tried: that would wait for whoever stands still within a transaction on one.
   *
   * @throws MR_INSTANCE_TWICE
   */
  async prepare(starts: ReadonlyMap<number, number>): Promise<void> {
    if (this.#run !== "") await this.#enter();
    const { dialect } = this.#database;
    await this.#database.transaction(async (tx) => {
      await tx.run(
        `insert into millrace_positions (partition, position, owner, epoch, lease_until)
         select cast(value ->> 0 as bigint), cast(value ->> 1 as bigint), null, 0, 0
         from ${dialect.each("$1")} where not exists (
           select 1 from millrace_positions where partition = cast(value ->> 0 as bigint))
         on conflict do nothing`,
        [JSON.stringify([...starts])],
      );
      // Left by a former life that was killed while it waited.
      await tx.run("update millrace_instances set waiting_for = null where instance = $1", [
        this.#instance,
      ]);
    });
    if (this.#database.beside === undefined) return;
    this.#keeping ??= this.#clock.every(this.heartbeatMs, () => void this.#keep());
  }

  /**
   * Takes this instance's name, at once or when the lease of its former life has run out. Who still
   * has it after that lives.
   */
  async #enter(): Promise<void> {
    const lastMs = this.#clock.monotonic() + this.#leaseMs + this.heartbeatMs;
    while (!(await this.#database.transaction((tx) => this.#holdName(tx)))) {
      if (this.#clock.monotonic() > lastMs) throw this.#twice();
      await this.#clock.sleep(this.heartbeatMs / 4);
    }
  }

  /**
   * Says that this instance lives, for the length of a lease. False where another has its name: one
   * whose lease has not run out.
   */
  async #holdName(tx: Transaction): Promise<boolean> {
    const { nowMs } = this.#database.dialect;
    const held = await tx.run(
      `insert into millrace_instances (instance, seen_until, run) values ($1, ${nowMs} + $2, $3)
       on conflict (instance) do update set seen_until = excluded.seen_until, run = excluded.run
       where millrace_instances.run = excluded.run
         or millrace_instances.seen_until < ${nowMs}
         or millrace_instances.seen_until > excluded.seen_until
       returning instance`,
      [this.#instance, this.#leaseMs, this.#run],
    );
    return held.length > 0;
  }

  #twice(): MillraceError {
    return new MillraceError(
      "MR_INSTANCE_TWICE",
      `Another process runs as "${this.#instance}", and both cannot.`,
      { remedy: "Give each host a name of its own: MILLRACE_HOST_NAME." },
    );
  }

  /**
   * Tells that this instance lives, and brings what it owns to its share.
   *
   * @throws MR_INSTANCE_TWICE
   */
  async beat(): Promise<OwnershipChange> {
    this.#nextBeat = this.#clock.monotonic() + this.heartbeatMs;
    this.#nextRenewal = this.#nextBeat;
    const before = new Set(this.#owned.keys());
    const rows = await this.#database.transaction(async (tx) => {
      const share = await this.#claimShare(tx);
      if (share.some((row) => this.#isNew(row))) this.#observe?.("before-take");
      return share;
    });
    const mine = new Map(rows.map((row) => [row.partition, row]));
    const taken: OwnedPartition[] = [];
    let isPauseChanged = false;
    for (const { partition, epoch, position, paused, predecessor } of rows) {
      const known = this.#owned.get(partition);
      const isPaused = paused !== 0;
      if (known?.epoch === epoch) {
        isPauseChanged ||= known.isPaused !== isPaused;
        known.isPaused = isPaused;
        continue;
      }
      const owned = { partition, epoch, position, predecessor, isPaused };
      this.#owned.set(partition, owned);
      taken.push(owned);
    }
    if (taken.length > 0) this.#observe?.("after-take");
    const lost = [...before].filter((partition) => !mine.has(partition));
    for (const partition of lost) this.#owned.delete(partition);
    return { taken, lost, isPauseChanged };
  }

  /**
   * What their last owners have left behind is known: from now on these are this process's own,
   * also when it takes them anew.
   */
  settled(taken: readonly OwnedPartition[]): void {
    for (const { partition, epoch } of taken) this.#held.set(partition, epoch);
  }

  /**
   * Renews the leases, where it is time, in the middle of long work.
   *
   * @throws MR_FENCED where another instance has taken one over
   */
  async renew(): Promise<void> {
    if (this.#clock.monotonic() < this.#nextRenewal) return;
    this.#nextRenewal = this.#clock.monotonic() + this.heartbeatMs;
    const held = this.#owned.size;
    const renewed = await this.#database.transaction((tx) => this.#renewIn(tx));
    if (renewed === held) return;
    throw new MillraceError("MR_FENCED", "Another instance has taken over one of the partitions.");
  }

  /**
   * Tells that this instance lives beside a transaction that takes long, where the database lets
   * others in meanwhile: a slow handler is no dead owner. Whoever has lost a partition hears of it
   * at the commit.
   */
  async #keep(): Promise<void> {
    if (this.#owned.size === 0 || !this.isDue) return;
    await this.#database.beside?.((tx) => this.#live(tx)).catch(() => {});
  }

  async #live(tx: Transaction): Promise<void> {
    await tx.run(
      `update millrace_instances set seen_until = ${this.#database.dialect.nowMs} + $2
       where instance = $1 and run = $3`,
      [this.#instance, this.#leaseMs, this.#run],
    );
  }

  /** Renews what is still held, and tells how many that were. */
  async #renewIn(tx: Transaction): Promise<number> {
    const epochs = [...this.#owned.values()].map(({ partition, epoch }) => [partition, epoch]);
    const { dialect } = this.#database;
    await this.#live(tx);
    const renewed = await tx.run(
      `update millrace_positions set lease_until = ${dialect.nowMs} + $2
       from ${dialect.each("$1")} where partition = cast(value ->> 0 as bigint)
         and epoch = cast(value ->> 1 as bigint) returning partition`,
      [JSON.stringify(epochs), this.#leaseMs],
    );
    return renewed.length;
  }

  /**
   * Forgets everything: what is owned must be taken anew, with new epochs, before the next
   * commit.
   */
  forget(): void {
    this.#owned.clear();
    this.#nextBeat = Number.NEGATIVE_INFINITY;
  }

  /** Leaves word of what this instance waits for; without it, that all is well again. */
  async tell(waitingFor: string | undefined): Promise<void> {
    const { nowMs } = this.#database.dialect;
    await this.#database.transaction((tx) =>
      tx.run(
        `insert into millrace_instances (instance, seen_until, waiting_for, run)
         values ($1, ${nowMs} + $2, $3, $4)
         on conflict (instance) do update set waiting_for = excluded.waiting_for`,
        [this.#instance, this.#leaseMs, waitingFor ?? null, this.#run],
      ),
    );
  }

  /** Lets go of everything at once, so that others need not wait for leases to run out. */
  async release(): Promise<void> {
    this.#keeping?.[Symbol.dispose]();
    const epochs = [...this.#owned.values()].map(({ partition, epoch }) => [partition, epoch]);
    this.#owned.clear();
    const { dialect } = this.#database;
    await this.#database.transaction(async (tx) => {
      await tx.run(
        `update millrace_positions set owner = null, lease_until = 0 from ${dialect.each("$1")}
         where partition = cast(value ->> 0 as bigint) and epoch = cast(value ->> 1 as bigint)`,
        [JSON.stringify(epochs)],
      );
      await tx.run("delete from millrace_instances where instance = $1 and run = $2", [
        this.#instance,
        this.#run,
      ]);
    });
  }

  #isNew({ partition, epoch }: PositionRow): boolean {
    return this.#owned.get(partition)?.epoch !== epoch;
  }

  async #claimShare(tx: Transaction) {
    const { nowMs } = this.#database.dialect;
    // One after another: each changes rows of all. (Writing is a lock that both databases know.)
    await tx.run("update millrace_queue set one = one");
    if (!(await this.#holdName(tx))) throw this.#twice();
    // Nobody says to live for longer than a lease: a clock that was set back would keep the dead.
    await tx.run(
      `delete from millrace_instances where seen_until < ${nowMs} or seen_until > ${nowMs} + $1`,
      [this.#leaseMs],
    );
    const [{ instances = 1 } = {}] = await tx.run<{ instances: number }>(
      "select count(*) as instances from millrace_instances",
    );
    const positions = await tx.run<PositionRow & { free: number }>(
      `select partition, position, owner, epoch, lease_until, paused,
         case when owner is null or (lease_until < ${nowMs} or lease_until > ${nowMs} + $1)
             and not exists (select 1 from millrace_instances where instance = owner)
           then 1 else 0 end as free
       from millrace_positions order by partition`,
      [this.#leaseMs],
    );
    const wanted = this.#share(positions, instances);
    await this.#letGo(tx, positions, wanted);
    return await this.#take(tx, positions, wanted);
  }

  /** What to hold from now on: first what is held anyway, then what is free, up to the share. */
  #share(positions: readonly (PositionRow & { free: number })[], instances: number): Set<number> {
    const share = Math.ceil(positions.length / Math.max(1, instances));
    const held = positions.filter(({ owner }) => owner === this.#instance);
    const free = positions.filter(({ owner, free }) => owner !== this.#instance && free === 1);
    return new Set([...held, ...free].slice(0, share).map(({ partition }) => partition));
  }

  async #letGo(tx: Transaction, positions: readonly PositionRow[], wanted: ReadonlySet<number>) {
    const excess = positions.filter(
      ({ partition, owner }) => owner === this.#instance && !wanted.has(partition),
    );
    if (excess.length === 0) return;
    await tx.run(
      `update millrace_positions set owner = null, lease_until = 0
       where owner = $2 and partition in
         (select cast(value ->> 0 as bigint) from ${this.#database.dialect.each("$1")})`,
      [JSON.stringify(excess.map(({ partition }) => [partition])), this.#instance],
    );
  }

  /**
   * Renews what is held under a known epoch, takes the rest with the next one. A process that was
   * restarted under the same name takes its own partitions anew: the epoch of its former life is
   * void.
   */
  async #take(tx: Transaction, positions: readonly PositionRow[], wanted: ReadonlySet<number>) {
    const rows = positions.filter(({ partition }) => wanted.has(partition));
    if (rows.length === 0) return [];
    const moves = rows.map((row) => {
      const isHeld =
        row.owner === this.#instance && this.#owned.get(row.partition)?.epoch === row.epoch;
      return [row.partition, row.epoch, isHeld ? row.epoch : row.epoch + 1];
    });
    const { dialect } = this.#database;
    const held = await tx.run<PositionRow>(
      `update millrace_positions set owner = $2, epoch = cast(value ->> 2 as bigint),
         lease_until = ${dialect.nowMs} + $3 from ${dialect.each("$1")}
       where partition = cast(value ->> 0 as bigint) and epoch = cast(value ->> 1 as bigint)
       returning partition, position, owner, epoch, lease_until, paused`,
      [JSON.stringify(moves), this.#instance, this.#leaseMs],
    );
    const before = new Map(rows.map((row) => [row.partition, row]));
    return held.map((row) => ({
      ...row,
      predecessor: this.#predecessorOf(before.get(row.partition)),
    }));
  }

  #predecessorOf(row: PositionRow | undefined): OwnedPartition["predecessor"] {
    if (row === undefined || row.owner === null) return "left";
    const isSelf = row.owner === this.#instance && this.#held.get(row.partition) === row.epoch;
    return isSelf ? "self" : "died";
  }
}
