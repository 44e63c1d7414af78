import { hash } from "node:crypto";

/**
 * The subjects of one queue's stream. All of them begin with the stream's name and a part of its
 * identity: whoever still has the subjects of a stream that was removed reaches nobody.
 */
export class Subjects {
  readonly prefix: string;
  #source: string | undefined;
  #sourceDigest = "";

  constructor(stream: string, identity: string) {
    this.prefix = `${stream}.${identity.slice(0, 8)}`;
  }

  get all(): string {
    return `${this.prefix}.>`;
  }

  /** Of all packs. */
  get packs(): string {
    return `${this.prefix}.p.>`;
  }

  /** The packs of one partition. */
  partition(partition: number): string {
    return `${this.prefix}.p.${partition}.*`;
  }

  /**
   * A pack says its number of events in its subject: so the server itself counts how many events
   * are stored, whatever was trimmed.
   */
  pack(partition: number, events: number): string {
    return `${this.prefix}.p.${partition}.${events}`;
  }

  /** The claims of one id by all sources. */
  claimsOf(id: string): string {
    return `${this.prefix}.i.${digest(id, 22)}.*`;
  }

  claim(id: string, source: string): string {
    // Of many events in a row the source is the same.
    if (source !== this.#source) {
      this.#source = source;
      this.#sourceDigest = digest(source, 16);
    }
    return `${this.prefix}.i.${digest(id, 22)}.${this.#sourceDigest}`;
  }

  /** How far each partition was trimmed. */
  get marks(): string {
    return `${this.prefix}.trimmed`;
  }

  /** What the subject of a pack says. */
  packNamed(subject: string): { readonly partition: number; readonly events: number } {
    const [partition, events] = subject.slice(this.prefix.length + 3).split(".");
    return { partition: Number(partition), events: Number(events) };
  }
}

/** Ids may have any characters, subjects may not: 132 and 96 bits of a hash stand for them. */
const digest = (text: string, length: number): string =>
  hash("sha256", text, "base64url").slice(0, length);
