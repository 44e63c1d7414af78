import type { DatabaseEngine } from "../database/engine.ts";
import { migrating } from "./database/migrating.ts";
import { savepoints } from "./database/savepoints.ts";
import type { DatabaseFeatures, DatabasePlace, DatabaseScenario } from "./database/scenario.ts";
import { statements } from "./database/statements.ts";
import { transactions } from "./database/transactions.ts";
import type { TestApi } from "./test-api.ts";

export type { DatabaseFeatures, DatabasePlace } from "./database/scenario.ts";

/** The engine under test. */
export interface DatabaseSubject {
  /** Shown in the tests' names. */
  readonly name: string;
  readonly features: DatabaseFeatures;
  /** Makes a new, empty place. */
  createPlace(): Promise<DatabasePlace>;
}

/**
 * Declares the tests that every database engine must pass: each promise of the port
 * (database/engine.ts) by a scenario on a place of its own.
 *
 * @example
 * import { describe, it } from "vitest";
 * databaseConformance({ describe, it }, {
 *   name: "my engine",
 *   features: { restart: true, sharing: true },
 *   createPlace: async () => { … },
 * });
 */
export function databaseConformance({ describe, it }: TestApi, subject: DatabaseSubject): void {
  const declare = (scenario: DatabaseScenario) => {
    const ability = scenario.needs === undefined ? true : subject.features[scenario.needs];
    const run = () => runScenario(scenario, subject);
    if (ability === true) it(scenario.name, run);
    else it.skip(`${scenario.name} (skipped: ${ability})`, run);
  };
  describe(`database conformance: ${subject.name}`, () => {
    describe("transactions", () => transactions.forEach(declare));
    describe("savepoints", () => savepoints.forEach(declare));
    describe("statements", () => statements.forEach(declare));
    describe("migrating", () => migrating.forEach(declare));
  });
}

async function runScenario(scenario: DatabaseScenario, subject: DatabaseSubject): Promise<void> {
  const place = await subject.createPlace();
  const opened: DatabaseEngine[] = [];
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
