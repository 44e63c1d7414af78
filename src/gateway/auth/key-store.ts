import { randomUUID } from "node:crypto";
import { open, readFile, rename, stat } from "node:fs/promises";
import { z } from "zod";
import type { Clock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { type Random, systemRandom } from "../../lib/random.ts";
import { apiKeyId, makeApiKey, matchesHash } from "./api-key.ts";
import { type Client, isScope } from "./client.ts";

const storedKey = z.strictObject({
  id: z.string(),
  /** Who uses it. Two live keys of one client make a rotation without a gap. */
  client: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.string().refine(isScope, "is not a scope")).min(1),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
  revokedAt: z.iso.datetime().optional(),
});
const keyFile = z.strictObject({
  version: z.literal(1),
  keys: z.array(storedKey).max(limits.apiKeysMax),
});

/** An API key as it is stored: everything but the key. */
export type StoredKey = z.infer<typeof storedKey>;

export interface KeyOptions {
  readonly client: string;
  readonly scopes: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

export interface KeyStoreOptions {
  /** A JSON file, made with mode 0600 when the first key is. */
  readonly file: string;
  readonly clock: Clock;
  readonly random?: Random;
}

/**
 * The API keys, in one JSON file that holds only their hashes. Commands change it; gateways follow
 * it, looking at most once in `apiKeysRereadMs`. Changes replace the file, so that a reader never
 * sees half of one.
 */
export class KeyStore implements Disposable {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #random: Random;
  #keys: ReadonlyMap<string, StoredKey> = new Map();
  #version = "";
  #watch: Disposable | undefined;

  private constructor({ file, clock, random = systemRandom }: KeyStoreOptions) {
    this.#file = file;
    this.#clock = clock;
    this.#random = random;
  }

  /** @throws MR_CONFIG_INVALID where the file is not one of keys */
  static async open(options: KeyStoreOptions): Promise<KeyStore> {
    const store = new KeyStore(options);
    await store.reread();
    return store;
  }

  /**
   * Follows changes of the file until disposed. What cannot be read leaves the known keys in force.
   */
  follow(onError: (error: unknown) => void): void {
    this.#watch ??= this.#clock.every(limits.apiKeysRereadMs, () => {
      this.reread().catch(onError);
    });
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /** Who a token belongs to; undefined where it is unknown, revoked or expired. */
  verify(token: string): Client | undefined {
    const id = apiKeyId(token);
    const key = id === undefined ? undefined : this.#keys.get(id);
    if (key === undefined || !matchesHash(token, key.sha256) || !this.#isLive(key))
      return undefined;
    return { id: key.client, scopes: new Set(key.scopes) };
  }

  /**
   * Makes a key and returns it: it can never be shown again.
   *
   * @throws MR_CONFIG_INVALID for a bad client or scope, or where the client has two live keys
   */
  async create({ client, scopes, expiresAt }: KeyOptions): Promise<StoredKey & { key: string }> {
    await this.reread();
    const live = [...this.#keys.values()].filter(
      (key) => key.client === client && this.#isLive(key),
    );
    if (live.length >= limits.apiKeysPerClientMax) {
      throw new MillraceError("MR_CONFIG_INVALID", `"${client}" has two live keys already.`, {
        remedy: `Revoke one of them first: ${live.map(({ id }) => id).join(", ")}.`,
      });
    }
    const { id, key, sha256 } = makeApiKey(this.#random);
    const stored: StoredKey = {
      id,
      client,
      sha256,
      scopes: [...scopes],
      createdAt: this.#now(),
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    };
    await this.#write([...this.#keys.values(), stored]);
    return { ...stored, key };
  }

  /** Newest last, revoked and expired ones included. */
  list(): readonly StoredKey[] {
    return [...this.#keys.values()];
  }

  /** False where there is no such key. */
  async revoke(id: string): Promise<boolean> {
    await this.reread();
    const key = this.#keys.get(id);
    if (key === undefined) return false;
    const revoked = { ...key, revokedAt: key.revokedAt ?? this.#now() };
    await this.#write([...this.#keys.values()].map((other) => (other.id === id ? revoked : other)));
    return true;
  }

  /** Reads the file again if it changed. A missing file is an empty one. */
  async reread(): Promise<void> {
    const found = await stat(this.#file).catch(ignoreMissing);
    const version = found === undefined ? "none" : `${found.ino}:${found.mtimeMs}:${found.size}`;
    if (version === this.#version) return;
    const text = found === undefined ? undefined : await readFile(this.#file, "utf8");
    this.#keys = text === undefined ? new Map() : parseKeys(text, this.#file);
    this.#version = version;
  }

  #isLive({ revokedAt, expiresAt }: StoredKey): boolean {
    if (revokedAt !== undefined) return false;
    return expiresAt === undefined || Date.parse(expiresAt) > this.#clock.now();
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }

  async #write(keys: readonly StoredKey[]): Promise<void> {
    const text = JSON.stringify({ version: 1, keys }, undefined, 2);
    parseKeys(text, this.#file);
    const draft = `${this.#file}.${randomUUID()}`;
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${text}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, this.#file);
    await this.reread();
  }
}

function parseKeys(text: string, file: string): Map<string, StoredKey> {
  try {
    const { keys } = keyFile.parse(JSON.parse(text));
    return new Map(keys.map((key) => [key.id, key]));
  } catch (cause) {
    const detail = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new MillraceError("MR_CONFIG_INVALID", `The API keys in ${file} are wrong: ${detail}`, {
      cause,
    });
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
