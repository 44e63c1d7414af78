import type { StoredMsg } from "@nats-io/jetstream";
import { positionOf } from "./pack.ts";
import { acceptedAtOf, type StreamReads } from "./stream.ts";
import type { Subjects } from "./subjects.ts";

/**
 * A claim is a small message on a subject of the id's own, stored in one batch with the pack that
 * holds the event, and only where the subject has none yet. So of two writers of an id one is
 * refused, whole, by the server itself; and where the event is there, so is its claim.
 */
export interface Claim {
  /** Whose batch it came in: a writer that got no answer knows its own work by it. */
  readonly token: string;
  readonly partition: number;
  readonly position: number;
  readonly acceptedAt: number;
  readonly source: string;
  readonly fingerprint?: string;
}

/** How far behind the pack the claim stands in its batch, and where in the pack the event is. */
export function claimText(
  token: string,
  distance: number,
  place: number,
  partition: number,
  source: string,
  fingerprint: string | undefined,
): string {
  return JSON.stringify([token, distance, place, partition, source, fingerprint ?? 0]);
}

function claimOf(message: StoredMsg): Claim {
  const [token, distance, place, partition, source, fingerprint] =
    message.json<[string, number, number, number, string, string | 0]>();
  const claim = {
    token,
    partition,
    position: positionOf(message.seq - distance, place),
    acceptedAt: acceptedAtOf(message),
    source,
  };
  return fingerprint === 0 ? claim : { ...claim, fingerprint };
}

export class Claims {
  readonly #reads: StreamReads;
  readonly #subjects: Subjects;

  constructor(reads: StreamReads, subjects: Subjects) {
    this.#reads = reads;
    this.#subjects = subjects;
  }

  async of(id: string, source: string): Promise<Claim | undefined> {
    const message = await this.#reads.last(this.#subjects.claim(id, source));
    return message === null ? undefined : claimOf(message);
  }

  /** Of every source that used the id. */
  async ofAll(id: string): Promise<Claim[]> {
    const claims: Claim[] = [];
    for (let sequence = 1; ; ) {
      const message = await this.#reads.next(this.#subjects.claimsOf(id), sequence);
      if (message === null) return claims;
      claims.push(claimOf(message));
      sequence = message.seq + 1;
    }
  }
}
