/**
 * What the suites need of a test framework; Vitest, node:test and Mocha all have it. It is handed
 * in, so that engine authors run the suites under whatever they use.
 */
export interface TestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: ((name: string, body: () => Promise<void>) => unknown) & {
    readonly skip: (name: string, body: () => Promise<void>) => unknown;
  };
}

/**
 * True where the engine has the ability; else a sentence that says why not, shown with the skip.
 */
export type Feature = true | string;
