import type { Clock } from "../../lib/clock.ts";
import { connectRedis } from "./connection.ts";

/** What a Redis server says of itself, as far as it matters here. */
export interface RedisHealth {
  readonly version: string;
  /** `valkey`, where it says so. */
  readonly server: string;
  readonly role: string;
  /** Undefined where this user may not ask. */
  readonly policy: string | undefined;
  readonly maxmemoryBytes: number;
  /** The median of some answers. */
  readonly answerMs: number;
}

/** @throws MR_CACHE_UNAVAILABLE */
export async function redisHealth(url: string, clock: Clock): Promise<RedisHealth> {
  await using connection = await connectRedis(url, clock);
  const times: number[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const startMs = clock.monotonic();
    await connection.ask(["PING"]);
    times.push(clock.monotonic() - startMs);
  }
  // INFO and its parts may be forbidden: then less is known, and nothing is wrong.
  const info = String(await connection.ask(["INFO"]).catch(() => ""));
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
  return {
    version: field("valkey_version") ?? field("redis_version") ?? "",
    server: field("server_name") ?? "redis",
    role: field("role") ?? "",
    policy: field("maxmemory_policy"),
    maxmemoryBytes: Number(field("maxmemory") ?? 0),
    answerMs: times.sort((a, b) => a - b)[times.length / 2] ?? 0,
  };
}
