import type { Auth } from "../../gateway/auth/authenticate.ts";
import { KeyStore } from "../../gateway/auth/key-store.ts";
import { createTokenVerifier } from "../../gateway/auth/token.ts";
import { asError } from "../../lib/errors.ts";
import type { BoxContext } from "./box.ts";

/** How this gateway's clients show who they are, and what must be let go of when it stops. */
export async function authOf(context: BoxContext): Promise<Auth & Disposable> {
  const { config, clock, data, log } = context;
  if (config.auth.includes("open")) return { mode: "open", [Symbol.dispose]: () => {} };
  const keys = config.auth.includes("keys")
    ? await KeyStore.open({ file: data.keys, clock })
    : undefined;
  keys?.follow((error) => {
    log.warn({ err: asError(error) }, "the API keys cannot be read; the known ones stay in force");
  });
  const tokens = config.auth.includes("jwt") ? await tokensOf(context) : undefined;
  return {
    mode: "required",
    ...(keys === undefined ? {} : { keys }),
    ...(tokens === undefined ? {} : { tokens }),
    [Symbol.dispose]: () => keys?.[Symbol.dispose](),
  };
}

const tokensOf = ({ config, clock }: BoxContext) =>
  createTokenVerifier({
    keys: /^https?:/.test(config.jwtKeys) ? { jwksUrl: config.jwtKeys } : { file: config.jwtKeys },
    algorithms: config.jwtAlgorithms,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    clock,
  });
