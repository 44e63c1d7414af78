import { createAdmin } from "../../admin/admin.ts";
import { databaseFile } from "../database-file.ts";
import type { AdminPlan } from "../topology.ts";
import type { StartBox } from "./box.ts";
import { authOf } from "./gateway-auth.ts";

/**
 * Starts the admin port. Engines and application are loaded when somebody first asks for something
 * that takes them: at rest it holds neither.
 */
export const startAdmin: StartBox<AdminPlan> = async (plan, context) => {
  const { config, clock, data, log, engines, workerNames } = context;
  const auth = await authOf(context);
  const admin = createAdmin({
    workerNames,
    database: (worker, file) => engines.database(worker, file),
    databaseFile: (worker) => databaseFile(data, worker),
    queue: () => engines.queue(),
    cache: () => engines.cache(),
    application: () => context.application(),
    auth,
    listen: plan.listen,
    clock,
    log,
    drainMs: config.drainMs,
    onFatal: context.fail,
    ...(config.publicUrl === "" ? {} : { baseUrl: config.publicUrl.replace(/\/+$/, "") }),
  });
  await admin.start();
  const { address } = admin;
  return {
    ...("port" in address ? { adminPort: address.port } : {}),
    async stop() {
      await admin.stop();
      auth[Symbol.dispose]();
    },
  };
};
