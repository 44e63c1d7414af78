import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import type { Clock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { Client } from "./client.ts";
import { publicFetch } from "./public-fetch.ts";

/** Signatures with a private key only: with HMAC, whoever can check a token can make one. */
export const tokenAlgorithms = ["EdDSA", "ES256", "ES384", "PS256", "RS256"] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

export interface TokenOptions {
  /** Where the issuer's public keys are: its JWKS, or a file with one key (PEM or JWK). */
  readonly keys:
    | { readonly jwksUrl: string; readonly allowPrivate?: boolean }
    | { readonly file: string };
  /** The algorithm that goes with the key; a token cannot choose. */
  readonly algorithms: readonly TokenAlgorithm[];
  readonly issuer: string;
  readonly audience: string;
  /** The `typ` a token must carry, such as `at+jwt`; absent: it is not looked at. */
  readonly type?: string;
  readonly clock: Clock;
}

export interface TokenVerifier {
  /** @throws MR_UNAUTHENTICATED, MR_AUTH_UNAVAILABLE */
  verify(token: string): Promise<Client>;
}

/** Checks JSON Web Tokens as RFC 8725 asks: everything is set by us, nothing by the token. */
export async function createTokenVerifier(options: TokenOptions): Promise<TokenVerifier> {
  const key = await keySource(options);
  const checks: JWTVerifyOptions = {
    algorithms: [...options.algorithms],
    issuer: options.issuer,
    audience: options.audience,
    requiredClaims: ["exp"],
    ...(options.type === undefined ? {} : { typ: options.type }),
  };
  return {
    async verify(token) {
      if (token.length > limits.tokenBytesMax) {
        throw refused(`The token is longer than ${limits.tokenBytesMax} bytes.`);
      }
      try {
        const currentDate = new Date(options.clock.now());
        const { payload } = await jwtVerify(token, key, { ...checks, currentDate });
        return clientOf(payload);
      } catch (error) {
        throw toRefusal(error, "file" in options.keys);
      }
    },
  };
}

async function keySource({ keys }: TokenOptions): Promise<JWTVerifyGetKey> {
  if ("file" in keys) {
    const key = await readKey(keys.file);
    return async () => key;
  }
  return createRemoteJWKSet(new URL(keys.jwksUrl), {
    timeoutDuration: limits.jwksTimeoutMs,
    cooldownDuration: limits.jwksCooldownMs,
    cacheMaxAge: limits.jwksCacheMs,
    ...(keys.allowPrivate === true ? {} : { [customFetch]: publicFetch() }),
  });
}

/** The kind of key is the file's own; which algorithms go with it, `algorithms` narrows. */
async function readKey(file: string): Promise<KeyObject> {
  try {
    const text = await readFile(file, "utf8");
    if (!text.trimStart().startsWith("{")) return createPublicKey(text);
    return createPublicKey({ key: JSON.parse(text), format: "jwk" });
  } catch (cause) {
    throw new MillraceError("MR_CONFIG_INVALID", `No public key can be read from ${file}.`, {
      cause,
      remedy: "MILLRACE_JWT_KEYS names a file with one public key (PEM or JWK), or a JWKS address.",
    });
  }
}

/** Scopes as RFC 8693 writes them, or as a list, which some issuers prefer. */
function clientOf({ iss, sub, scope, scp }: JWTPayload): Client {
  const listed = Array.isArray(scp) ? scp : [];
  const scopes = typeof scope === "string" ? scope.split(" ") : listed.map(String);
  if (typeof sub !== "string" || sub === "") throw refused("The token has no subject.");
  return { id: `${iss} ${sub}`, scopes: new Set(scopes) };
}

function toRefusal(error: unknown, isKeyAtHand: boolean): MillraceError {
  if (error instanceof MillraceError) return error;
  // Nothing else can be wrong: the token asks for an algorithm that the key is not for.
  if (isKeyAtHand) return refused("The token is not valid.", error);
  // A key that the issuer does not have is the token's fault; all else about the key set is not.
  const isTokensFault =
    error instanceof errors.JOSEError &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid) &&
    error.code !== "ERR_JOSE_GENERIC";
  if (isTokensFault) return refused("The token is not valid.", error);
  return new MillraceError(
    "MR_AUTH_UNAVAILABLE",
    "The keys of the token's issuer are out of reach.",
    {
      cause: error,
      retryAfterSeconds: Math.ceil(limits.jwksTimeoutMs / 1_000),
    },
  );
}

const refused = (message: string, cause?: unknown): MillraceError =>
  new MillraceError("MR_UNAUTHENTICATED", message, {
    cause,
    remedy: "Send a valid token as Authorization: Bearer …",
  });
