/**
 * A campaign: a real system under load, whose processes are killed and stopped at random, the
 * supervisor included; then the checker's word on what came of it.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { vi } from "vitest";
import { seededRandom } from "../../examples/random.ts";
import { Picture } from "../whole-picture/picture.ts";
import { check, type Effect, type Kept, type Verdict } from "./checker.ts";
import { Load } from "./load.ts";

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
  await using picture = await Picture.start("test/campaign/app.ts", args, {
    MILLRACE_HANG_MS: "2000",
    MILLRACE_TRACING: "off",
  });
  const load = new Load(picture.url, keys);
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
  const look = () => check(load.published, ...committed(picture, worker));
  await vi
    .waitFor(
      () => {
        if (look().lost.length > 0) throw new Error("not yet");
      },
      { timeout: 30_000, interval: 200 },
    )
    .catch(() => {});
  return look();
}

function committed(picture: Picture, worker: string): [Effect[], Kept] {
  using database = new DatabaseSync(join(picture.data, "workers", worker, "database.db"), {
    readOnly: true,
  });
  const effects = database.prepare("select key, n from effects order by rowid").all();
  const kept = (table: string) =>
    (database.prepare(`select event from ${table}`).all() as { event: string }[]).map(
      ({ event }) => JSON.parse(JSON.parse(event).data) as Effect,
    );
  return [
    effects as unknown as Effect[],
    { parked: kept("millrace_parked"), dead: kept("millrace_dead_letters") },
  ];
}
