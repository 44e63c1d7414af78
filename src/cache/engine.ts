/**
 * The port of a worker's cache: a store with a fence. It never has to be durable, and losing all of
 * it at once is an ordinary event. Values are JSON text; what they mean is known in front
 * (cache.ts).
 *
 * The promise that the fence carries: a fill whose value was read before a commit cannot overwrite
 * what came after it. `millrace/conformance` holds the suite that every engine passes.
 *
 * Every method of an engine that others can take away throws MR_CACHE_UNAVAILABLE while it is gone.
 */
export interface CacheEngine {
  /**
   * True where all instances of a worker see one store (Redis). False where each process has its
   * own (memory): then the front follows the log of touched keys in the worker's database.
   */
  readonly shared: boolean;

  /**
   * The value, if one is held and the key is not blocked; and the fence that a later fill must
   * show.
   */
  get(key: string): Promise<Lookup>;

  /**
   * Stores a value for at most `ttlMs`, unless the key was blocked or released since `fence` was
   * handed out, or is blocked now: then nothing happens and the answer is false.
   */
  fill(key: string, value: string, fence: Fence, ttlMs: number): Promise<boolean>;

  /**
   * Before a commit: drops the keys' values and refuses fills until `holder` has released them.
   * Each holder of an engine has a name of its own, which is one word, and blocks once.
   */
  block(keys: readonly string[], holder: string): Promise<void>;

  /**
   * After the commit (or the rollback): values are dropped, fills with a fence from before are
   * refused, later ones are not, once every holder has released. Whether this one's block has
   * happened may be unknown, and so may its release: it takes back nobody else's, however often it
   * comes.
   */
  release(keys: readonly string[], holder: string): Promise<void>;

  /**
   * Drops everything, and refuses every fill whose fence is from before. What is blocked stays so.
   */
  clear(): Promise<void>;

  /**
   * Only where the store is shared, since others can empty it, or bring it back as it was before:
   * begins an empty store under a new name. It lasts only as long as all of its fence is there:
   * once a part is lost, or older than it was, everything that is asked of it fails.
   */
  begin?(): Promise<string>;

  /**
   * With `begin`: all that is asked from now on is about the store of this name. Without a name,
   * everything fails but a release. What was blocked in another store needs none, and its release
   * does nothing.
   */
  use?(store: string | undefined): void;

  /** Idempotent. */
  close(): Promise<void>;
}

export interface Lookup {
  readonly value: string | undefined;
  /**
   * Undefined while the key is blocked: nothing can be filled, and a load that begins now may read
   * either side of a commit. Where the store is shared, equal fences of a key mean that nobody has
   * blocked or released it in between.
   */
  readonly fence: Fence | undefined;
  /** How long a blocked key has been so, where the store can tell. */
  readonly blockedMs?: number;
}

/** Opaque to everyone but the engine that made it. */
export type Fence = string | number;
