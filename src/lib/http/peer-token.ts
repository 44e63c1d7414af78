import { createHmac, timingSafeEqual } from "node:crypto";

/** The header in which one box of a system shows another that it belongs to it. */
export const peerHeader = "millrace-peer";

/** Who is asked. Each kind has a token of its own, so that one of them opens no other door. */
export type PeerKind = "gateway" | "worker" | "traces";

/** What to show a box of this kind; undefined where there is no secret to make it of. */
export function peerToken(secret: string, kind: PeerKind): string | undefined {
  if (secret === "") return undefined;
  return createHmac("sha256", secret).update(`millrace ${kind}`).digest("base64url");
}

/** Whether what is shown is the token. Takes as long whatever it is. */
export function isPeerToken(token: string, shown: string | string[] | undefined): boolean {
  if (typeof shown !== "string" || shown.length !== token.length) return false;
  return timingSafeEqual(Buffer.from(shown, "latin1"), Buffer.from(token, "latin1"));
}
