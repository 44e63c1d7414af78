import { setTimeout as sleep } from "node:timers/promises";
import { assertAllSucceeded, Generator } from "../load/load.ts";
import { oneEvent } from "../load/request.ts";
import { startPeer } from "../systems/peer.ts";
import type { SystemUnderTest } from "../systems/system.ts";

/**
 * Enough that a system whose answers wait for the disk is never without work meanwhile: with 64,
 * what is measured is the time of a sync. Who answers from memory is as fast with either.
 */
export const peakConnections = 256;

const warmSeconds = 4;
const lookSeconds = 1;
/** What a system still does after its last effect, as collecting and checkpoints, is its own. */
const restMs = 200;

/** What was measured, and what the machine could do meanwhile. */
export interface Beside<Found> {
  readonly found: Found;
  /** Requests a second of bare Fastify: the mean of right before and right after. */
  readonly ceilingPerSecond: number;
}

/**
 * Bare Fastify, which takes an event and does nothing with it: the most that one process of Node
 * can answer. It stands beside everything that is measured, without work, and takes turns with it:
 * a machine that others share changes its speed from one second to the next, and by half.
 */
export class Ceiling implements AsyncDisposable {
  #running: Promise<Running> | undefined;

  /** Measures so many times, each between two looks at the ceiling. */
  async inTurns<Found>(turns: number, measure: () => Promise<Found>): Promise<Beside<Found>[]> {
    const measured: Beside<Found>[] = [];
    let before = await this.perSecond();
    for (let turn = 0; turn < turns; turn++) {
      const found = await measure();
      await sleep(restMs);
      const after = await this.perSecond();
      measured.push({ found, ceilingPerSecond: (before + after) / 2 });
      before = after;
    }
    return measured;
  }

  async beside<Found>(measure: () => Promise<Found>): Promise<Beside<Found>> {
    const [measured] = await this.inTurns(1, measure);
    return measured as Beside<Found>;
  }

  /** Requests a second, at this moment. It is started when it is first asked. */
  async perSecond(): Promise<number> {
    this.#running ??= start();
    return await look(await this.#running, lookSeconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running === undefined) return;
    const { system, generator } = await this.#running;
    await Promise.all([system[Symbol.asyncDispose](), generator[Symbol.asyncDispose]()]);
  }
}

interface Running {
  readonly system: SystemUnderTest;
  readonly generator: Generator;
}

async function start(): Promise<Running> {
  const system = await startPeer({ name: "the ceiling", front: "bare-fastify.ts" });
  const running = { system, generator: new Generator() };
  await look(running, warmSeconds);
  return running;
}

async function look({ system, generator }: Running, seconds: number): Promise<number> {
  const tally = await generator.run({
    target: system.target,
    request: oneEvent,
    connections: peakConnections,
    seconds,
    firstNumber: 0,
  });
  assertAllSucceeded(tally);
  return (tally.succeeded * 1e6) / (tally.endedUs - tally.startedUs);
}
