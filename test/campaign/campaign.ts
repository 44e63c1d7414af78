/**
 * A campaign: a real system under load, whose processes are killed and stopped at random, the
 * supervisor included, and so are the servers of its engines, where it has any; then the checker's
 * word on what came of it.
 */
import { cp } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { vi } from "vitest";
import { seededRandom } from "../../examples/random.ts";
import { type Verdict, violations } from "../../src/drill/checker.ts";
import type { Fault } from "../../src/drill/fault.ts";
import { Load } from "../../src/drill/load.ts";
import { Readers } from "../../src/drill/readers.ts";
import { RecordedJudge } from "../../src/drill/recorded-judge.ts";
import type { ServerEngine } from "../../src/drill/targets.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { Picture } from "../whole-picture/picture.ts";
import { setStage } from "./stage.ts";

export interface CampaignOptions {
  readonly kills: number;
  readonly seed: number;
  readonly keys?: number;
  /** Those that run on servers; all others are embedded. */
  readonly engines?: readonly ServerEngine[];
  /** Instances of each worker: `first=2,second=1`. */
  readonly workers?: string;
  /** Where what the system has stored is copied to, should it have broken a promise. */
  readonly evidence?: string;
}

export interface CampaignResult {
  readonly kills: number;
  readonly stops: number;
  readonly supervisorKills: number;
  /** Faults of servers, by what was hit. */
  readonly serverFaults: Readonly<Record<string, number>>;
  /** From the last fault, and the last receipt, until everything was there. */
  readonly settledSeconds: number;
  /** By worker. */
  readonly verdicts: Readonly<Record<string, Verdict>>;
  readonly reads: { readonly asked: number; readonly stale: readonly string[] };
  readonly refusals: Readonly<Record<string, number>>;
  /** What the system has written. */
  readonly output: string;
}

/**
 * Everything is done 30 seconds after the last fault. Three servers of a queue, a database, a cache
 * and ten processes that all begin again at the end take longer on a machine of two processors.
 */
const patienceMs = (hasServers: boolean): number => (hasServers ? 120_000 : 30_000);

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, keys = 24, engines = [], workers = "first=2" } = options;
  const hasServers = engines.length > 0;
  const random = seededRandom(seed);
  await using stage = await setStage(engines);
  const args = ["--workers", workers, "--log-level", "warn"];
  const environment = {
    // Where ten processes share two processors, a busy one may be silent for longer.
    ...(hasServers ? {} : { MILLRACE_HANG_MS: "2000" }),
    MILLRACE_TRACING: "off",
    ...stage.environment,
  };
  await using picture = await Picture.start(
    ...(["src/drill/app.ts", args, environment, "whole", patienceMs(hasServers)] as const),
  );
  const clock = systemClock;
  const load = new Load({
    url: picture.url,
    type: "thing.counted",
    keys: Array.from({ length: keys }, (_, index) => `key-${index}`),
    data: (key, n) => ({ key, n }),
    clock,
  });
  const drawn = { fraction: seededRandom(seed + 1), bytes: systemRandom.bytes };
  await using readers = new Readers(picture.url, load, { clock, random: drawn });
  const servers = new ServerStrikes(stage.faults, seededRandom(seed + 2));
  const struck = await strikeProcesses(picture, options.kills, random, hasServers);
  const serverFaults = await servers.stop();
  using _reviving = clock.every(500, () => picture.revive());
  await readers.stop();
  await load.stop();
  const names = ["first", "second"];
  const judge = new RecordedJudge(
    new Map(names.map((name) => [name, stage.worker(name, picture.data)])),
  );
  const { settledSeconds, verdicts } = await settled(judge, load, patienceMs(hasServers));
  await readers.checkAtRest();
  const { asked, stale } = readers;
  const refusals = Object.fromEntries(load.refusals);
  const result = {
    ...{ ...struck, serverFaults, settledSeconds, verdicts, reads: { asked, stale } },
    ...{ refusals, output: picture.output },
  };
  const { evidence } = options;
  if (evidence !== undefined && brokenPromises(result).length > 0) {
    // All but the sockets.
    const filter = (source: string) => basename(source) !== "run";
    await cp(picture.data, evidence, { recursive: true, filter });
  }
  return result;
}

/** A sentence for everything that was not as it must be. */
export function brokenPromises({ verdicts, reads }: CampaignResult): string[] {
  const found = Object.entries(verdicts).flatMap(([worker, verdict]) => {
    const sentences = violations(verdict);
    // No fault of a process or a server may use up an event's attempts.
    if (verdict.dead.length > 0) sentences.push(`${verdict.dead.length} dead letters`);
    if (verdict.parked > 0) sentences.push(`${verdict.parked} still wait`);
    return sentences.map((sentence) => `${worker}: ${sentence}`);
  });
  const { stale } = reads;
  return stale.length === 0
    ? found
    : [...found, `${stale.length} stale reads: ${stale.slice(0, 5).join(", ")}`];
}

async function strikeProcesses(
  picture: Picture,
  wanted: number,
  random: () => number,
  hasServers: boolean,
) {
  let kills = 0;
  let stops = 0;
  let supervisorKills = 0;
  while (kills < wanted) {
    // More processes take more time to come back, and who never gets to work proves nothing.
    await setTimeout((50 + random() * 350) * (hasServers ? 4 : 1));
    picture.revive();
    const boxes = await picture.boxes();
    const victim = boxes[Math.floor(random() * boxes.length)];
    const dice = random();
    if (dice < 0.03) {
      // With servers that are struck as well, nobody knows how soon it can answer.
      await picture.killSupervisor(hasServers ? "begun" : "answering");
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
  return { kills, stops, supervisorKills };
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

/** Strikes the engines' servers, one after another, beside whatever else is struck. */
class ServerStrikes {
  readonly #faults: readonly Fault[];
  readonly #random: () => number;
  readonly #over = new AbortController();
  readonly #struck: Record<string, number> = {};
  readonly #striking: Promise<void>;

  constructor(faults: readonly Fault[], random: () => number) {
    this.#faults = faults;
    this.#random = random;
    this.#striking = this.#strikeAll();
  }

  /** Heals what is struck; resolves to how often each fault there was. */
  async stop(): Promise<Readonly<Record<string, number>>> {
    this.#over.abort();
    await this.#striking;
    return this.#struck;
  }

  async #strikeAll(): Promise<void> {
    while (this.#faults.length > 0 && !this.#over.signal.aborted) {
      await this.#wait(1_000 + this.#random() * 6_000);
      const fault = this.#faults[Math.floor(this.#random() * this.#faults.length)];
      // Nothing to strike, as while no server leads: the next one then.
      const struck = await fault?.strike().catch(() => undefined);
      if (fault === undefined || struck === undefined) continue;
      const name = `${fault.target} ${fault.name}`;
      this.#struck[name] = (this.#struck[name] ?? 0) + 1;
      await this.#wait(this.#random() * 5_000);
      await struck.heal?.();
    }
  }

  #wait(ms: number): Promise<unknown> {
    return systemClock.sleep(ms, this.#over.signal);
  }
}

/** Once the faults stop, everything must be there in time. */
async function settled(judge: RecordedJudge, load: Load, patienceMs: number) {
  const startedAt = performance.now();
  const look = () => judge.verdicts(load.published);
  await vi
    .waitFor(
      async () => {
        for (const { lost, parked } of (await look()).values()) {
          if (lost.length > 0 || parked > 0) throw new Error("not yet");
        }
      },
      { timeout: patienceMs, interval: 200 },
    )
    .catch(() => {});
  const settledSeconds = Math.round((performance.now() - startedAt) / 1_000);
  return { settledSeconds, verdicts: Object.fromEntries(await look()) };
}
