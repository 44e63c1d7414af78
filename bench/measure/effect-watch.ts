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
  | { readonly kind: "report" };

/** One histogram a file. */
export type WatchAnswer = readonly StoredHistogram[];

const lookMs = 1;

class Watched {
  readonly times = new Histogram();
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
      this.times.add(now - timeOfField(Number(at)));
      this.#row = Number(row);
    }
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
    const answer: WatchAnswer = watched.map(({ times }) => times.toJSON());
    process.send?.(answer, () => process.exit(0));
  }
});
