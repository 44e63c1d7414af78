import { createAdmin } from "../../admin/admin.ts";
import type { Address } from "../../lib/address.ts";
import { peerToken } from "../../lib/http/peer-token.ts";
import type { Service } from "../../lib/lifecycle.ts";
import type { AdminPlan } from "../topology.ts";
import type { BoxContext, StartBox } from "./box.ts";
import { authOf } from "./gateway-auth.ts";

/**
 * Starts the admin port. Engines and application are loaded when somebody first asks for something
 * that takes them: at rest it holds neither.
 */
export const startAdmin: StartBox<AdminPlan> = async (plan, context) => {
  const { config, clock, log, engines, workerNames } = context;
  const spans = plan.spans === undefined ? undefined : await startSpans(plan.spans, context);
  const auth = await authOf(context);
  const admin = createAdmin({
    workerNames,
    database: (worker, place) => engines.database(worker, place),
    databasePlace: async (worker) => (await engines.places()).inUse(worker),
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
      await spans?.stop();
      auth[Symbol.dispose]();
    },
  };
};

/** Serves this host's traces to all others. */
async function startSpans(listen: Address, { config, engines, log }: BoxContext): Promise<Service> {
  const [{ createSpanServer }, store] = await Promise.all([
    import("../../tracing/span-server.ts"),
    engines.ownSpans(),
  ]);
  const token = peerToken(config.clusterSecret, "traces");
  const server = createSpanServer({ store, listen, token, log });
  await server.start();
  return server;
}
