import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { assertAllSucceeded, Generator } from "../load/load.ts";
import { oneEvent } from "../load/request.ts";
import { startPeer } from "../systems/peer.ts";
import type { SystemUnderTest } from "../systems/system.ts";
import { mean } from "./statistics.ts";

/**
 * Enough that a system whose answers wait for the disk is never without work meanwhile: with 64,
 * what is measured is the time of a sync. Who answers from memory is as fast with either.
 */
export const peakConnections = 256;

/** As many as a system of ours has busy processes, where there are cores for them. */
const processesMax = 4;
const warmSeconds = 4;
const lookSeconds = 0.8;
/** Of each load, while its connections are made. */
const leadSeconds = 0.2;
/** What a system still does after its last effect, as collecting and checkpoints, is its own. */
const restMs = 200;

/** What bare Fastify answers, in requests a second. */
export interface Possible {
  /** One process of it, with the machine to itself. */
  readonly ceiling: number;
  /** One process a core, all at once. */
  readonly machine: number;
}

/** What was measured, and what was possible meanwhile: the mean of the looks between the turns. */
export interface Beside<Found> extends Possible {
  readonly turns: readonly Found[];
}

/**
 * Bare Fastify, which takes an event and does nothing with it: the most that a process of Node can
 * answer. It stands beside everything that is measured, without work, and takes turns with it: a
 * machine that others share changes its speed from one second to the next, and by half.
 *
 * It has two figures, since such a machine slows a single process down by more than a system that
 * keeps all cores busy anyway.
 */
export class Ceiling implements AsyncDisposable {
  #running: Promise<readonly Running[]> | undefined;

  /** Measures so many times, each between two looks. */
  async beside<Found>(turns: number, measure: () => Promise<Found>): Promise<Beside<Found>> {
    const looks = [await this.look()];
    const found: Found[] = [];
    for (let turn = 0; turn < turns; turn++) {
      found.push(await measure());
      await sleep(restMs);
      looks.push(await this.look());
    }
    const ceiling = mean(looks.map((look) => look.ceiling));
    return { turns: found, ceiling, machine: mean(looks.map((look) => look.machine)) };
  }

  /** What is possible at this moment. All is started when this is first called. */
  async look(): Promise<Possible> {
    this.#running ??= start();
    const running = await this.#running;
    const ceiling = await answered(running.slice(0, 1), lookSeconds);
    return { ceiling, machine: await answered(running, lookSeconds) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = (await this.#running) ?? [];
    await Promise.all(
      running.flatMap(({ system, generator }) => [
        system[Symbol.asyncDispose](),
        generator[Symbol.asyncDispose](),
      ]),
    );
  }
}

interface Running {
  readonly system: SystemUnderTest;
  readonly generator: Generator;
}

async function start(): Promise<readonly Running[]> {
  const running: Running[] = [];
  for (let count = Math.min(processesMax, availableParallelism()); count > 0; count--) {
    const system = await startPeer({ name: "the ceiling", front: "bare-fastify.ts" });
    running.push({ system, generator: new Generator() });
  }
  await answered(running, warmSeconds);
  return running;
}

/** Requests a second of all of them. */
async function answered(running: readonly Running[], seconds: number): Promise<number> {
  const rates = running.map(async ({ system: { target }, generator }) => {
    const plan = { target, request: oneEvent, connections: peakConnections, firstNumber: 0 };
    const tally = await generator.run({ ...plan, seconds, leadSeconds });
    assertAllSucceeded(tally);
    return tally.steady / (seconds - leadSeconds);
  });
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
}
