/**
 * A campaign: a real system under load, whose processes are killed and stopped at random, the
 * supervisor included; then the checker's word on what came of it.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { vi } from "vitest";
import { seededRandom } from "../../examples/random.ts";
import { check, type Effect, type Kept, type Verdict } from "../../src/drill/checker.ts";
import { Load } from "../../src/drill/load.ts";
import { keptOf, recordedEffects } from "../../src/drill/recorded-judge.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Picture } from "../whole-picture/picture.ts";

export interface CampaignOptions {
  readonly kills: number;
  readonly seed: number;
  readonly keys?: number;
}

export interface CampaignResult {
  readonly kills: number;
  readonly stops: number;
  readonly supervisorKills: number;
  /** By worker. */
  readonly verdicts: Readonly<Record<string, Verdict>>;
  readonly refusals: Readonly<Record<string, number>>;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { kills: wanted, seed, keys = 24 } = options;
  const random = seededRandom(seed);
  const args = ["--workers", "first=2", "--log-level", "warn"];
  await using picture = await Picture.start("src/drill/app.ts", args, {
    MILLRACE_HANG_MS: "2000",
    MILLRACE_TRACING: "off",
  });
  const load = new Load({
    url: picture.url,
    type: "thing.counted",
    keys: Array.from({ length: keys }, (_, index) => `key-${index}`),
    data: (key, n) => ({ key, n }),
    clock: systemClock,
  });
  let kills = 0;
  let stops = 0;
  let supervisorKills = 0;
  while (kills < wanted) {
    await setTimeout(50 + random() * 350);
    const boxes = await picture.boxes();
    const victim = boxes[Math.floor(random() * boxes.length)];
    const dice = random();
    if (dice < 0.03) {
      await picture.killSupervisor();
      supervisorKills += 1;
      kills += 1;
    } else if (victim !== undefined && dice < 0.1) {
      // Beyond a lease now and then: whoever takes over must be the only one who commits.
      stops += Number(signal(victim.pid, "SIGSTOP"));
      await setTimeout(random() * 5_000);
      signal(victim.pid, "SIGCONT");
    } else if (victim !== undefined) {
      kills += Number(signal(victim.pid, "SIGKILL"));
    }
  }
  await load.stop();
  const verdicts = {
    first: await settled(picture, "first", load),
    second: await settled(picture, "second", load),
  };
  const refusals = Object.fromEntries(load.refusals);
  return { kills, stops, supervisorKills, verdicts, refusals };
}

/** False where the process is gone already. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** Once the faults stop, everything must be there within 30 seconds. */
async function settled(picture: Picture, worker: string, load: Load): Promise<Verdict> {
  const look = async () => check(load.published, ...(await committed(picture, worker)));
  await vi
    .waitFor(
      async () => {
        if ((await look()).lost.length > 0) throw new Error("not yet");
      },
      { timeout: 30_000, interval: 200 },
    )
    .catch(() => {});
  return await look();
}

async function committed(picture: Picture, worker: string): Promise<[Effect[], Kept]> {
  using database = new DatabaseSync(join(picture.data, "workers", worker, "database.db"), {
    readOnly: true,
  });
  const readable = {
    read: async <Row>(sql: string) => database.prepare(sql).all() as Row[],
  };
  return [await recordedEffects(readable), await keptOf(readable)];
}
