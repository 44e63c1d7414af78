import { notStrictEqual } from "node:assert/strict";
import type { QueueEngine } from "../queue/engine.ts";
import { appending } from "./queue/appending.ts";
import { keeping } from "./queue/keeping.ts";
import { moving } from "./queue/moving.ts";
import { reading } from "./queue/reading.ts";
import {
  partitions,
  type QueueFeatures,
  type QueuePlace,
  type Scenario,
} from "./queue/scenario.ts";
import { waiting } from "./queue/waiting.ts";
import type { TestApi } from "./test-api.ts";

export type { QueueFeatures, QueuePlace } from "./queue/scenario.ts";

/** The engine under test. */
export interface QueueSubject {
  /** Shown in the tests' names. */
  readonly name: string;
  readonly features: QueueFeatures;
  /** Makes a new, empty place for an engine with so many partitions. */
  createPlace(options: { readonly partitions: number }): Promise<QueuePlace>;
}

/**
 * Declares the tests that every queue engine must pass: each promise of the port (queue/engine.ts)
 * by a scenario on a place of its own.
 *
 * @example
 * import { describe, it } from "vitest";
 * queueConformance({ describe, it }, {
 *   name: "my engine",
 *   features: {
 *     ...{ restart: true, oneOrder: true, trimmedIds: true },
 *     sharing: "one process only, by design",
 *   },
 *   createPlace: async ({ partitions }) => { … },
 * });
 */
export function queueConformance({ describe, it }: TestApi, subject: QueueSubject): void {
  const declare = (scenario: Scenario) => {
    const ability = scenario.needs === undefined ? true : subject.features[scenario.needs];
    const run = () => runScenario(scenario, subject);
    if (ability === true) it(scenario.name, run);
    else it.skip(`${scenario.name} (skipped: ${ability})`, run);
  };
  describe(`queue conformance: ${subject.name}`, () => {
    describe("appending", () => appending.forEach(declare));
    describe("reading", () => reading.forEach(declare));
    describe("waiting", () => waiting.forEach(declare));
    describe("keeping", () => keeping.forEach(declare));
    describe("moving", () => moving.forEach(declare));
    it("two places have two identities", () => compareIdentities(subject));
  });
}

async function runScenario(scenario: Scenario, subject: QueueSubject): Promise<void> {
  const place = await subject.createPlace({ partitions });
  const opened: QueueEngine[] = [];
  try {
    await scenario.run(async () => {
      const engine = await place.open();
      opened.push(engine);
      return engine;
    });
  } finally {
    await Promise.all(opened.map((engine) => engine.close()));
    await place.remove();
  }
}

async function compareIdentities(subject: QueueSubject): Promise<void> {
  const places = [
    await subject.createPlace({ partitions }),
    await subject.createPlace({ partitions }),
  ];
  const engines = await Promise.all(places.map((place) => place.open()));
  notStrictEqual(engines[0]?.identity, engines[1]?.identity);
  await Promise.all(engines.map((engine) => engine.close()));
  await Promise.all(places.map((place) => place.remove()));
}
