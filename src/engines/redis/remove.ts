import type { Clock } from "../../lib/clock.ts";
import { connectRedis } from "./connection.ts";

/** Removes everything that the caches of a system's workers have stored. */
export async function removeRedisCaches(url: string, system: string, clock: Clock): Promise<void> {
  const connection = await connectRedis(url, clock);
  try {
    let cursor = "0";
    do {
      const step = ["SCAN", cursor, "MATCH", `{millrace:${system}:*`, "COUNT", "1000"];
      const [next, keys] = (await connection.ask(step)) as [string, string[]];
      if (keys.length > 0) await connection.ask(["UNLINK", ...keys]);
      cursor = String(next);
    } while (cursor !== "0");
  } finally {
    await connection.close();
  }
}
