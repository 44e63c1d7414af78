import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { startOwnSystem } from "../drill/own-system.ts";
import type { DrilledSystem } from "../drill/system.ts";
import type { Clock } from "../lib/clock.ts";
import { assert } from "../lib/errors.ts";
import { createEngines, type Engines } from "../runtime/engines.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { SystemDefinition } from "../system/system.ts";
import { type AnswerPair, answersOf } from "./answers.ts";
import { type Effects, effectsIn } from "./effects.ts";
import type { Input } from "./input.ts";
import { observedModule } from "./observed-module.ts";
import { patiently } from "./patience.ts";
import { Publisher, type TrialReceipt } from "./publisher.ts";
import type { Question } from "./question.ts";
import { eventTable, QueueLog, renamingOf } from "./queue-log.ts";
import { type Looked, untilSettled } from "./settled.ts";
import type { Table } from "./table.ts";

/**
 * How the events are published. One by one, each with everything that follows from it before the
 * next: then all is determined. Or all keys at once, some events twice at the same moment, and a
 * process of each worker killed in the middle: then only what is promised is.
 */
export type Way = "one by one" | "all at once";

export interface TrialOptions {
  readonly way: Way;
  readonly definition: SystemDefinition;
  readonly app: string;
  /** The system's name meanwhile. */
  readonly name: string;
  /** A folder that does not exist yet. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly inputs: readonly Input[];
  readonly questions: readonly Question[];
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly onOutput: (text: string) => void;
  readonly onSupervised: (supervisor: Supervisor) => void;
}

/** All that can be seen of a system once it is at rest. */
export interface Outcome {
  readonly isSettled: boolean;
  /** The events on the queue, follow-ups included; in the order of their partitions. */
  readonly events: readonly LoggedEvent[];
  readonly eventTable: Table;
  readonly workers: ReadonlyMap<string, Effects>;
  readonly answers: readonly AnswerPair[];
  /** How often a receipt was asked for again, and what was wrong with what came back. */
  readonly repeats: number;
  readonly wrongReceipts: readonly string[];
}

export interface LoggedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly key: string;
  readonly isFollowUp: boolean;
}

/** A slow machine is not what is looked for; nobody reads traces; two lanes are side by side. */
const calm = { MILLRACE_HANG_MS: "120000", MILLRACE_TRACING: "off", MILLRACE_LANES: "2" };

const startsMax = 5;

/** Every so manieth event is published twice. */
const twiceEvery = 3;

/** Runs an application on a set of engines, publishes events to it, and looks what came of them. */
export async function runTrial(options: TrialOptions): Promise<Outcome> {
  const { folder, way, clock, signal } = options;
  signal.throwIfAborted();
  await mkdir(folder, { recursive: true });
  const app = join(folder, "trial.mjs");
  await writeFile(app, observedModule(pathToFileURL(resolve(options.app)).href, options.name));
  const counts = way === "one by one" ? "1" : "2";
  // A start takes longer than a request, and one that fails is begun anew as a whole.
  const patience = { ...options, patienceMs: startsMax * options.patienceMs };
  const system = await patiently(patience, () =>
    startOwnSystem({
      app,
      folder: join(folder, "data"),
      gateways: counts,
      workers: options.definition.workers.map(({ name }) => `${name}=${counts}`).join(","),
      environment: { ...calm, ...options.environment },
      boxEnvironment: {},
      onOutput: options.onOutput,
      onSupervised: options.onSupervised,
    }),
  );
  const { config, data, url } = system;
  const engines = createEngines({ config, data, clock, onFatal: () => {} });
  const publisher = new Publisher(url, clock, signal);
  let looked: Looked | undefined;
  try {
    looked = await patiently(options, () => lookAt(engines, system));
    return await new Trial(options, system, looked, publisher).run();
  } finally {
    await publisher[Symbol.asyncDispose]();
    await looked?.log.close();
    await engines[Symbol.asyncDispose]();
    await system.stop();
  }
}

async function lookAt(engines: Engines, { definition }: DrilledSystem): Promise<Looked> {
  const workers = [];
  for (const { name, handlers } of definition.workers) {
    const types = new Set(handlers.map(({ event }) => event.type));
    workers.push({ name, types, database: await engines.database(name) });
  }
  return { log: new QueueLog(await engines.queue()), workers };
}

class Trial {
  readonly #options: TrialOptions;
  readonly #system: DrilledSystem;
  readonly #looked: Looked;
  readonly #publisher: Publisher;
  readonly #receipts = new Map<Input, TrialReceipt>();
  readonly #wrong: string[] = [];
  #repeats = 0;
  #isSettled = true;

  constructor(options: TrialOptions, system: DrilledSystem, looked: Looked, publisher: Publisher) {
    this.#options = options;
    this.#system = system;
    this.#looked = looked;
    this.#publisher = publisher;
  }

  async run(): Promise<Outcome> {
    const { way, inputs } = this.#options;
    if (way === "one by one") await this.#publishOneByOne();
    else await this.#publishAtOnce();
    await this.#settle();
    for (const [index, input] of inputs.entries()) {
      if (index % twiceEvery === 0) await this.#publish(input);
    }
    // Nothing may come of them.
    await this.#settle();
    return await patiently(this.#options, () => this.#outcome());
  }

  async #publishOneByOne(): Promise<void> {
    const { inputs } = this.#options;
    for (const [index, input] of inputs.entries()) {
      if (index === Math.floor(inputs.length / 2)) await this.#fillCaches();
      await this.#publish(input);
      await this.#settle();
    }
  }

  async #publishAtOnce(): Promise<void> {
    const byKey = [...Map.groupBy(this.#options.inputs, ({ key }) => key).values()];
    await this.#publishEach(byKey.map((inputs) => inputs.slice(0, Math.ceil(inputs.length / 2))));
    await this.#fillCaches();
    const second = this.#publishEach(
      byKey.map((inputs) => inputs.slice(Math.ceil(inputs.length / 2))),
    );
    await Promise.all([second, this.#killWorkers()]);
  }

  /** The events of a key one after the other, as a client of it does; the keys side by side. */
  async #publishEach(keys: readonly (readonly Input[])[]): Promise<void> {
    await Promise.all(
      keys.map(async (inputs) => {
        for (const [index, input] of inputs.entries()) {
          const isTwice = index % twiceEvery === 0;
          await Promise.all([this.#publish(input), isTwice && this.#publish(input)]);
        }
      }),
    );
  }

  /** Whoever publishes an event again gets the receipt that it had. */
  async #publish(input: Input): Promise<void> {
    const receipt = await this.#publisher.publish(input, this.#options.patienceMs);
    const first = this.#receipts.get(input);
    if (first === undefined) {
      this.#receipts.set(input, receipt);
      return;
    }
    this.#repeats += 1;
    const isSame = first.partition === receipt.partition && first.position === receipt.position;
    if (!isSame) this.#wrong.push(`${input.type} ${input.id} was accepted a second time`);
  }

  async #settle(): Promise<void> {
    // What does not come to rest once would hold up every further event for as long.
    if (!this.#isSettled) return;
    this.#isSettled = await untilSettled(this.#looked, this.#options);
  }

  async #killWorkers(): Promise<void> {
    for (const { name } of this.#options.definition.workers) {
      const [victim] = await this.#system.victims("worker", name);
      assert(victim !== undefined, "a system that has started has a process of each worker");
      process.kill(victim.pid, "SIGKILL");
    }
  }

  /** So that a value which stays there, though it is out of date, is found at the end. */
  async #fillCaches(): Promise<void> {
    await this.#settle();
    for (const { worker, query, search } of this.#options.questions) {
      await this.#publisher.query(worker, query, search);
    }
  }

  async #outcome(): Promise<Outcome> {
    const { questions } = this.#options;
    const { log, workers } = this.#looked;
    await log.readOn();
    const rename = renamingOf(log.events);
    const effects = new Map<string, Effects>();
    for (const { name, database } of workers) {
      effects.set(name, await effectsIn(name, database, rename));
    }
    return {
      isSettled: this.#isSettled,
      events: log.events.map(({ event: { id, source, type, key, attributes } }) => {
        return { id, source, type, key, isFollowUp: attributes.cause !== undefined };
      }),
      eventTable: eventTable(log.events, rename),
      workers: effects,
      answers: await answersOf(questions, workers, this.#publisher, rename),
      repeats: this.#repeats,
      wrongReceipts: this.#wrong,
    };
  }
}
