/**
 * A process that looks into the workers' databases from outside, a thousand times a second, and
 * notes for each new effect how long ago its request was meant to be sent. Only what is committed
 * can be seen there, so this is the time until another process could act on the effect; it is
 * noticed up to a look too late, never too early.
 */
import { DatabaseSync } from "node:sqlite";
import { nowUs, timeOfField } from "../load/request.ts";
import { Histogram, type StoredHistogram } from "./histogram.ts";

export type WatchMessage =
  | { readonly kind: "watch"; readonly files: readonly string[] }
  /** Only requests count that were meant to be sent from then on, by the monotonic clock. */
  | { readonly kind: "report"; readonly fromUs: number };

/** One histogram a file. */
export type WatchAnswer = readonly StoredHistogram[];

const lookMs = 1;

class Watched {
  /** When requests were meant to be sent, and how long that was ago when the effect was seen. */
  readonly #seen: (readonly [meantUs: number, tookUs: number])[] = [];
  readonly #version;
  readonly #after;
  #seenVersion: unknown;
  #row = 0;

  constructor(file: string) {
    const db = new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
    this.#version = db.prepare("pragma data_version");
    this.#after = db.prepare("select rowid as row, at from effects where rowid > ? order by rowid");
    const last = db.prepare("select coalesce(max(rowid), 0) as row from effects").get();
    this.#row = Number(last?.row);
  }

  look(): void {
    const version = this.#version.get()?.data_version;
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    const found = this.#after.all(this.#row);
    const now = nowUs();
    for (const { row, at } of found) {
      const meantUs = timeOfField(Number(at));
      this.#seen.push([meantUs, now - meantUs]);
      this.#row = Number(row);
    }
  }

  timesFrom(fromUs: number): StoredHistogram {
    const times = new Histogram();
    for (const [meantUs, tookUs] of this.#seen) if (meantUs >= fromUs) times.add(tookUs);
    return times.toJSON();
  }
}

let watched: readonly Watched[] = [];

process.on("message", (message: WatchMessage) => {
  if (message.kind === "watch") {
    watched = message.files.map((file) => new Watched(file));
    setInterval(() => {
      for (const one of watched) one.look();
    }, lookMs);
    process.send?.("watching");
  } else {
    for (const one of watched) one.look();
    const answer: WatchAnswer = watched.map((one) => one.timesFrom(message.fromUs));
    process.send?.(answer, () => process.exit(0));
  }
});
