/** What must hold at every moment of a run, and at its end: plain data in, sentences out. */
import type { StoredDeadLetter } from "../../src/worker/dead-letters.ts";

export interface Published {
  readonly id: string;
  readonly key: string;
  /** Grows with each event that was accepted. */
  readonly n: number;
  /** Its dead letter keeps the key's later events waiting. */
  readonly isHolding: boolean;
  readonly isOther: boolean;
}

/** In the order of commits. */
interface Effect {
  readonly seq: number;
  readonly id: string;
  readonly key: string;
}

export class DeliveryRules {
  readonly #discarded = new Set<string>();
  /** Passed over by a person: nobody waits for them, whatever their handler says. */
  readonly #skipped = new Set<string>();
  /** Were dead letters that held nobody: others may have passed them. */
  readonly #passable = new Set<string>();
  /** Event → the number of the last effect when every instance knew that it is retried. */
  readonly #retriedAt = new Map<string, number>();
  readonly #found = new Set<string>();

  skipped(id: string | undefined): void {
    if (id !== undefined) this.#skipped.add(id);
  }

  discarded(id: string): void {
    this.#discarded.add(id);
  }

  /** `effects` are those by which every instance knew of it; undefined where one does not. */
  retried(id: string, effects: readonly Effect[] | undefined): void {
    const last = effects === undefined ? Number.POSITIVE_INFINITY : effects.at(-1)?.seq;
    this.#retriedAt.set(id, last ?? 0);
  }

  /** What holds at every moment: nothing passes a dead letter that is held, nothing comes twice. */
  look(effects: readonly Effect[], letters: readonly StoredDeadLetter[]): void {
    const ids = effects.map(({ id }) => id);
    if (new Set(ids).size < ids.length) this.#found.add(`doubled: ${ids.join(" ")}`);
    for (const { event, isHeld, attempts } of letters) {
      if (!isHeld) this.#passable.add(event.id);
      if (ids.includes(event.id)) this.#found.add(`${event.id} is dead and has an effect`);
      if (attempts > 2) this.#found.add(`${event.id} was tried ${attempts} times`);
      if (!isHeld || this.#passable.has(event.id)) continue;
      for (const { id, key } of effects) {
        if (key !== event.key || numberOf(id) < numberOf(event.id)) continue;
        this.#found.add(`${id} has passed ${event.id}, which is held`);
      }
    }
  }

  /** And in the end: everything has its effect, in the order of acceptance. */
  violations(effects: readonly Effect[], published: readonly Published[]): string[] {
    const byId = new Map(published.map((one) => [one.id, one]));
    for (const { id } of published) {
      const isThere = effects.some((effect) => effect.id === id);
      if (isThere === this.#discarded.has(id)) {
        this.#found.add(isThere ? `${id} was discarded and has an effect` : `${id} is lost`);
      }
    }
    for (const [index, late] of effects.entries()) {
      for (const early of effects.slice(0, index)) {
        if (early.key !== late.key || numberOf(early.id) < numberOf(late.id)) continue;
        if (!this.#mayBePassed(byId.get(late.id), early.seq)) {
          this.#found.add(`${early.id} came before ${late.id}`);
        }
      }
    }
    return [...this.#found];
  }

  /** A follow-up for each effect, and in their order. */
  echoViolations(echoes: readonly Omit<Effect, "seq">[], effects: readonly Effect[]): string[] {
    return [...new Set(effects.map(({ key }) => key))].flatMap((key) => {
      const of = (all: readonly Omit<Effect, "seq">[]) =>
        all.filter((one) => one.key === key).map(({ id }) => id);
      const [found, wanted] = [of(echoes).join(" "), of(effects).join(" ")];
      return found === wanted ? [] : [`${wanted} have the follow-ups ${found}`];
    });
  }

  /**
   * Only by what was applied before it was retried, and only if nobody had to wait for it then. A
   * retry takes its old place: nothing newer comes between it and its effect.
   */
  #mayBePassed(late: Published | undefined, passedAt: number): boolean {
    if (late === undefined) return false;
    if (late.isHolding && !this.#skipped.has(late.id)) return false;
    return passedAt <= (this.#retriedAt.get(late.id) ?? 0);
  }
}

const numberOf = (id: string): number => Number(id.slice("event-".length));
