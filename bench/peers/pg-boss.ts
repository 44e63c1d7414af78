import { load, server } from "./packages.ts";

export interface Boss {
  on(name: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  createQueue(name: string, options?: object): Promise<void>;
  send(queue: string, data: object): Promise<unknown>;
  work(
    queue: string,
    options: object,
    handle: (jobs: readonly { readonly data: unknown }[]) => Promise<void>,
  ): Promise<unknown>;
}

export async function startBoss(): Promise<Boss> {
  const { PgBoss } = await load<{ PgBoss: new (options: object) => Boss }>("pg-boss");
  const boss = new PgBoss({ connectionString: server, max: 20 });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}
