/**
 * Loads a package of the peers. They are installed beside the benchmark when it runs (see
 * systems/peer-packages.ts), so the type checker cannot know them: each user says what it needs.
 */
export const load = async <Module>(name: string): Promise<Module> => (await import(name)) as Module;

/** The settings that the benchmark gives to a peer's processes. */
export const worker = process.env.BENCH_WORKER ?? "a";
export const file = process.env.BENCH_FILE ?? "";
export const server = process.env.BENCH_SERVER ?? "";
/** Where effects go, for peers that have one more server for them. */
export const database = process.env.BENCH_DATABASE ?? server;
