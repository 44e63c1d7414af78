import type { CacheEngine } from "../cache/engine.ts";
import { fencing } from "./cache/fencing.ts";
import { keeping } from "./cache/keeping.ts";
import type { CacheFeatures, CachePlace, CacheScenario } from "./cache/scenario.ts";
import type { TestApi } from "./test-api.ts";

export type { CacheFeatures, CachePlace } from "./cache/scenario.ts";

/** The engine under test. */
export interface CacheSubject {
  /** Shown in the tests' names. */
  readonly name: string;
  readonly features: CacheFeatures;
  /** Makes a new, empty place. */
  createPlace(): Promise<CachePlace>;
}

/**
 * Declares the tests that every cache engine must pass: each promise of the port (cache/engine.ts)
 * by a scenario on a place of its own.
 *
 * @example
 * import { describe, it } from "vitest";
 * cacheConformance({ describe, it }, {
 *   name: "my engine",
 *   features: { sharing: true },
 *   createPlace: async () => { … },
 * });
 */
export function cacheConformance({ describe, it }: TestApi, subject: CacheSubject): void {
  const declare = (scenario: CacheScenario) => {
    const ability = scenario.needs === undefined ? true : subject.features[scenario.needs];
    const run = () => runScenario(scenario, subject);
    if (ability === true) it(scenario.name, run);
    else it.skip(`${scenario.name} (skipped: ${ability})`, run);
  };
  describe(`cache conformance: ${subject.name}`, () => {
    describe("keeping", () => keeping.forEach(declare));
    describe("fencing", () => fencing.forEach(declare));
  });
}

async function runScenario(scenario: CacheScenario, subject: CacheSubject): Promise<void> {
  const place = await subject.createPlace();
  const opened: CacheEngine[] = [];
  let store: string | undefined;
  try {
    await scenario.run(async () => {
      const engine = await place.open();
      opened.push(engine);
      store ??= await engine.begin?.();
      if (store !== undefined) engine.use?.(store);
      return engine;
    }, place);
  } finally {
    await Promise.all(opened.map((engine) => engine.close()));
    await place.remove();
  }
}
