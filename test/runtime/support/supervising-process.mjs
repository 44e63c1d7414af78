/**
 * A process that supervises one worker (support/box.mjs) until it is killed, for the test of
 * orphans.
 */
import { systemClock } from "../../../src/lib/clock.ts";
import { silentLog } from "../../../src/lib/log.ts";
import { parseConfig } from "../../../src/runtime/config.ts";
import { Supervisor } from "../../../src/runtime/supervisor.ts";

const supervisor = new Supervisor({
  plans: [{ kind: "worker", name: "worker-a-1", worker: "a", instance: 1, listen: { port: 0 } }],
  assignment: { app: "/app.ts", data: "/data", config: parseConfig({}, {}).config },
  clock: systemClock,
  log: silentLog,
  module: process.env.BOX_MODULE,
});
await supervisor.start();
