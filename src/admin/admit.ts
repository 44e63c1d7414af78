import type { IncomingMessage } from "node:http";
import { type Auth, authenticate } from "../gateway/auth/authenticate.ts";
import type { Client } from "../gateway/auth/client.ts";
import { MillraceError } from "../lib/errors.ts";
import { refuseForeignHost } from "../lib/http/foreign-hosts.ts";

/**
 * Who sends a request, before anything else of it is looked at.
 *
 * @throws MR_HOST_UNKNOWN, MR_CROSS_SITE, MR_UNAUTHENTICATED, MR_AUTH_UNAVAILABLE
 */
export async function admit({ headers }: IncomingMessage, auth: Auth): Promise<Client> {
  // A name of somebody's that leads here makes his page one of the same origin.
  if (auth.mode === "open") {
    const remedy = "Without authentication only localhost is answered; see MILLRACE_AUTH.";
    refuseForeignHost(headers.host, { remedy });
  }
  refuseForeignPages(headers);
  return await authenticate(auth, headers.authorization);
}

/**
 * Any page can make a browser send requests here. Browsers say from where: `Sec-Fetch-Site` with
 * all of them, `Origin` with those that could change something; programs send neither. Pages from
 * another port of this machine are of the same site, and still somebody else's.
 */
function refuseForeignPages(headers: IncomingMessage["headers"]): void {
  const site = headers["sec-fetch-site"];
  const isForeignSite = site !== undefined && site !== "same-origin" && site !== "none";
  if (!isForeignSite && isOwnOrigin(headers.origin, headers.host)) return;
  throw new MillraceError("MR_CROSS_SITE", "The request comes from a page of another origin.", {
    remedy: "Send it with a program, or from a page of the admin port itself.",
  });
}

/** The scheme may differ: something in front may end TLS. */
const isOwnOrigin = (origin: string | undefined, host: string | undefined): boolean =>
  origin === undefined ||
  (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase().replace(/:80$/, ""));
