import type { Auth } from "../../gateway/auth/authenticate.ts";
import type { KeyStore } from "../../gateway/auth/key-store.ts";
import type { TokenVerifier } from "../../gateway/auth/token.ts";
import { asError } from "../../lib/errors.ts";
import { keysFile } from "../data-folder.ts";
import type { BoxContext } from "./box.ts";

/** How this gateway's clients show who they are, and what must be let go of when it stops. */
export async function authOf(context: BoxContext): Promise<Auth & Disposable> {
  const { auth } = context.config;
  if (auth.includes("open")) return { mode: "open", [Symbol.dispose]: () => {} };
  const keys = auth.includes("keys") ? await keysOf(context) : undefined;
  const tokens = auth.includes("jwt") ? await tokensOf(context) : undefined;
  return {
    mode: "required",
    ...(keys === undefined ? {} : { keys }),
    ...(tokens === undefined ? {} : { tokens }),
    [Symbol.dispose]: () => keys?.[Symbol.dispose](),
  };
}

async function keysOf({ clock, config, data, log }: BoxContext): Promise<KeyStore> {
  const { KeyStore } = await import("../../gateway/auth/key-store.ts");
  const keys = await KeyStore.open({ file: keysFile(config, data), clock });
  keys.follow((error) => {
    log.warn({ err: asError(error) }, "the API keys cannot be read; the known ones stay in force");
  });
  return keys;
}

async function tokensOf({ config, clock }: BoxContext): Promise<TokenVerifier> {
  const { createTokenVerifier } = await import("../../gateway/auth/token.ts");
  const isUrl = /^https?:/.test(config.jwtKeys);
  return await createTokenVerifier({
    keys: isUrl ? { jwksUrl: config.jwtKeys } : { file: config.jwtKeys },
    algorithms: config.jwtAlgorithms,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    clock,
  });
}
