/**
 * The application that instances of a worker run in processes of their own, and what they and the
 * tests say to each other. Named by its path, since such a process knows no built package.
 */
import { z } from "zod";
import { defineDatabase, defineEvent } from "../../src/index.ts";
import type { LeaseTimes } from "../../src/worker/ownership.ts";
import type { PassPoint } from "../../src/worker/pass-points.ts";
import type { Place } from "./instance-engines.ts";

/** What becomes of the events of one key, by their number. */
export const failsOnce = (n: number): boolean => n % 7 === 3;
export const isRejected = (n: number): boolean => n % 11 === 5;
export const isFollowed = (n: number): boolean => n % 2 === 0;

export interface Tables {
  effects: {
    seq?: number;
    type: string;
    key: string;
    n: number;
    /** Who ran the handler, and who owned the partition at that time. */
    instance: string;
    owner: string | null;
  };
  millrace_positions: { partition: number; owner: string | null };
}

const data = z.object({ key: z.string(), n: z.number() });
export const Counted = defineEvent("thing.counted", { data, key: ({ key }) => key });
export const Followed = defineEvent("thing.followed", { data, key: ({ key }) => key });

export const effectsDatabase = defineDatabase<Tables>({
  migrations: {
    "001-effects": async (db) => {
      await db.schema
        .createTable("effects")
        .addColumn("seq", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("type", "text", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("n", "integer", (column) => column.notNull())
        .addColumn("instance", "text", (column) => column.notNull())
        .addColumn("owner", "text")
        .execute();
    },
  },
});

/** Where an instance sends a signal to itself: at a point, when it comes there so many times. */
export interface Trap {
  readonly point: PassPoint;
  readonly visit: number;
  readonly signal: "SIGKILL" | "SIGSTOP";
}

export interface InstanceOptions {
  readonly place: Place;
  readonly instance: string;
  readonly trap?: Trap;
  readonly leaseTimes?: LeaseTimes;
}

/** From the test, each answered by `heard`, but for `stop`, which ends the process. */
export interface Order {
  readonly trap?: Trap;
  /** Events of these partitions wait in `prepare` until the next order. */
  readonly hold?: readonly number[];
  readonly stop?: boolean;
}

/** From the instance, a line of JSON each. */
export interface InstanceLine {
  readonly heard?: boolean;
  /** The point at which it sends itself the signal, now. */
  readonly at?: PassPoint;
  /** What the fence said. */
  readonly fenced?: string;
  readonly fatal?: string;
  readonly warned?: string;
}
