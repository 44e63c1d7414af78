import { isLoopback } from "../../lib/address.ts";
import { systemClock } from "../../lib/clock.ts";
import { isMillraceError } from "../../lib/errors.ts";
import type { Config } from "../config.ts";
import { loadRedis } from "../engines.ts";
import type { Finding } from "./finding.ts";

/**
 * The first release of each line with the fixes of 2025 for scripts (CVE-2025-49844, -46817,
 * -46818, -46819): whoever may run a script could run anything on the server. Ours are fixed texts.
 */
const fixed: Readonly<Record<string, readonly (readonly number[])[]>> = {
  redis: [
    [6, 2, 20],
    [7, 2, 11],
    [7, 4, 6],
    [8, 0, 4],
    [8, 2, 2],
  ],
  valkey: [
    [7, 2, 11],
    [8, 0, 6],
    [8, 1, 4],
    [9, 0, 0],
  ],
};

/** The server of the caches, where there is one. */
export async function checkCache({ cache: url }: Config): Promise<Finding[]> {
  const what = "Cache";
  if (url === "memory:") return [{ what, status: "pass", detail: "in the memory of each process" }];
  const where = checkWay(url);
  try {
    const { redisHealth } = await loadRedis(() => import("../../engines/redis/health.ts"));
    const health = await redisHealth(url, systemClock);
    return [where, checkVersion(health.server, health.version), checkRole(health.role)]
      .concat(checkMemory(health.policy, health.maxmemoryBytes))
      .concat(checkLatency(health.answerMs));
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const remedy =
      error.code === "MR_DRIVER_MISSING"
        ? (error.remedy ?? "")
        : "Start it, or correct MILLRACE_CACHE. Until then everything is read from the databases.";
    return [where, { what, status: "fail", detail: error.message, remedy }];
  }
}

/** EN3: beyond this machine everybody on the way could read and change what is cached. */
function checkWay(url: string): Finding {
  const what = "Cache way";
  const { protocol, hostname } = new URL(url);
  if (protocol === "redis+unix:") return { what, status: "pass", detail: "a Unix socket" };
  if (protocol === "rediss:") return { what, status: "pass", detail: "TLS" };
  if (isLoopback(hostname)) {
    return { what, status: "pass", detail: "within this machine" };
  }
  return {
    what,
    status: "fail",
    detail: `${hostname} is reached without TLS`,
    remedy: "Use rediss://, or a way that nobody else can listen on.",
  };
}

function checkVersion(server: string, text: string): Finding {
  const what = "Cache server";
  const version = text.split(".").map(Number);
  const [major = 0, minor = 0, patch = 0] = version;
  if (text === "" || Number.isNaN(major + minor + patch)) {
    const remedy = "Allow this user INFO, to have it checked.";
    return { what, status: "warn", detail: "does not tell its version", remedy };
  }
  const detail = `${server} ${text}`;
  if (major < 7) {
    const remedy = "Install Redis 7.2.11 or later, or Valkey.";
    return { what, status: "fail", detail: `${detail} is too old for our scripts`, remedy };
  }
  const lines = fixed[server] ?? fixed.redis ?? [];
  const line = lines.find(([one, two]) => one === major && two === minor);
  const newest = lines.at(-1) ?? [];
  const isLater = major > (newest[0] ?? 0) || (major === newest[0] && minor > (newest[1] ?? 0));
  if (isLater || (line !== undefined && patch >= (line[2] ?? 0))) {
    return { what, status: "pass", detail };
  }
  return {
    what,
    status: "warn",
    detail: `${detail} may lack the fixes of October 2025 (CVE-2025-49844): scripts could run anything`,
    remedy: "Take the newest release, or make sure that your distribution has put the fixes in.",
  };
}

function checkRole(role: string): Finding {
  const what = "Cache role";
  if (role !== "slave") return { what, status: "pass", detail: "takes writes" };
  const remedy = "Name the server that takes writes.";
  return { what, status: "fail", detail: "it is a replica, which takes no writes", remedy };
}

function checkMemory(policy: string | undefined, bytes: number): Finding {
  const what = "Cache memory";
  if (policy === undefined) return { what, status: "pass", detail: "not told to this user" };
  const size = bytes === 0 ? "without a bound" : `at most ${Math.round(bytes / 2 ** 20)} MiB`;
  const detail = `${size}, ${policy}`;
  if (bytes > 0 && /^(allkeys|volatile)-(lru|lfu|ttl)$/.test(policy)) {
    return { what, status: "pass", detail };
  }
  const why =
    bytes === 0 ? "it may grow until the machine has no memory" : "it is not made for a cache";
  return {
    what,
    status: "warn",
    detail: `${detail}: ${why}`,
    remedy: "Set maxmemory, and maxmemory-policy allkeys-lru or volatile-lru.",
  };
}

function checkLatency(answerMs: number): Finding {
  const what = "Cache latency";
  const detail = `answers in ${answerMs.toFixed(2)} ms`;
  if (answerMs < 5) return { what, status: "pass", detail };
  const remedy = "Every cached query waits that long, and every commit twice; move it nearer.";
  return { what, status: "warn", detail, remedy };
}
