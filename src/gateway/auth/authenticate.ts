import { isLoopback } from "../../lib/address.ts";
import { MillraceError } from "../../lib/errors.ts";
import { looksLikeApiKey } from "./api-key.ts";
import { anonymous, type Client } from "./client.ts";
import type { TokenVerifier } from "./token.ts";

/** How clients show who they are. `open` is for one's own machine only. */
export type Auth =
  | { readonly mode: "open" }
  | {
      readonly mode: "required";
      readonly keys?: { verify(token: string): Client | undefined };
      readonly tokens?: TokenVerifier;
    };

/**
 * Who sends a request, by its `Authorization` header. At once for API keys, which are the hot path.
 *
 * @throws MR_UNAUTHENTICATED, MR_AUTH_UNAVAILABLE
 */
export function authenticate(auth: Auth, header: string | undefined): Client | Promise<Client> {
  if (auth.mode === "open") return anonymous;
  const [scheme = "", token = "", ...rest] = (header ?? "").split(" ");
  if (scheme.toLowerCase() !== "bearer" || token === "" || rest.length > 0) {
    throw unauthenticated("A key or token is missing.");
  }
  if (looksLikeApiKey(token)) {
    const client = auth.keys?.verify(token);
    if (client === undefined) throw unauthenticated("The API key is not valid.");
    return client;
  }
  if (auth.tokens === undefined) throw unauthenticated("Tokens are not accepted here.");
  return auth.tokens.verify(token);
}

const unauthenticated = (message: string): MillraceError =>
  new MillraceError("MR_UNAUTHENTICATED", message, {
    remedy: "Send a valid one as Authorization: Bearer …",
  });

/**
 * Whoever can be reached from other machines must know who is calling.
 *
 * @throws MR_AUTH_REQUIRED
 */
export function assertAuthConfigured(host: string, auth: Auth): void {
  if (auth.mode === "required" || isLoopback(host)) return;
  throw new MillraceError("MR_AUTH_REQUIRED", `Listening on ${host} lets other machines in.`, {
    remedy: "Make an API key with `millrace keys create`, set up tokens, or listen on 127.0.0.1.",
  });
}
