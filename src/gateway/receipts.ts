import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Receipt } from "../queue/engine.ts";
import type { Publication } from "./options.ts";

/** A receipt as it is answered. By hand: this is the hot path, and only the id needs escaping. */
export function receiptJson(receipt: Receipt): string {
  const { id, partition, position, durable, synced, duplicate } = receipt;
  const sync = synced === undefined ? "" : `,"synced":${synced}`;
  const end = duplicate ? `${sync},"duplicate":true}` : `${sync}}`;
  return `{"id":${JSON.stringify(id)},"partition":${partition},"position":${position},"durable":"${durable}"${end}`;
}

/**
 * A key that comes back with other content is a mistake of the client: the first content stands,
 * and the second must not look accepted.
 *
 * @throws MR_IDEMPOTENCY_REUSED
 */
export function refuseReuse(publication: Publication, receipt: Receipt): void {
  const { fingerprint } = publication;
  if (!receipt.duplicate || fingerprint === undefined || receipt.fingerprint === fingerprint)
    return;
  throw keyReused();
}

/** The receipts of many events: counted all, kept up to a limit. */
export class ReceiptList {
  accepted = 0;
  #duplicates = 0;
  readonly #positions = new Map<number, number>();
  #texts: string[] | undefined = [];

  add(receipt: Receipt): void {
    const { partition, position, duplicate } = receipt;
    this.accepted++;
    if (duplicate) this.#duplicates++;
    if (position > (this.#positions.get(partition) ?? 0)) this.#positions.set(partition, position);
    if (this.accepted > limits.receiptsPerAnswerMax) this.#texts = undefined;
    this.#texts?.push(receiptJson(receipt));
  }

  /** `{accepted, duplicates, receipts, positions}`; without `receipts` beyond the limit. */
  toJson(): string {
    const receipts = this.#texts === undefined ? "" : `"receipts":[${this.#texts.join(",")}],`;
    const positions = JSON.stringify(Object.fromEntries(this.#positions));
    return `{"accepted":${this.accepted},"duplicates":${this.#duplicates},${receipts}"positions":${positions}}`;
  }
}

export const keyReused = (): MillraceError =>
  new MillraceError("MR_IDEMPOTENCY_REUSED", "The key was used for other content before.", {
    remedy: "Use a new key for new content; a repeat must be the same, byte for byte.",
  });
