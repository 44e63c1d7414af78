import { lockBoxes } from "../data-lock.ts";
import { summaryOf } from "../summary.ts";
import { type BoxPlan, lockNames, type PicturePlan, planTopology } from "../topology.ts";
import { startAdmin } from "./admin.ts";
import { startBalancer } from "./balancer.ts";
import type { BoxContext, RunningBox } from "./box.ts";
import { startGateway } from "./gateway.ts";
import { startWorker } from "./worker.ts";

/**
 * Starts every box in this one process, one of each. They talk as they do when apart, over sockets,
 * so that nothing behaves differently while an application is written.
 */
export async function startPicture(_plan: PicturePlan, given: BoxContext): Promise<RunningBox> {
  const system = await given.application();
  const here = { listen: undefined, gatewayUrls: [], workerUrls: new Map(), hostName: "" };
  const config = { ...given.config, ...here, gateways: 1, workers: new Map() };
  const plans = planTopology(system, config, given.data);
  const workerNames = system.workers.map(({ name }) => name);
  const context = { ...given, config, workerNames, application: async () => system };
  const locks = await lockBoxes(given.data, lockNames(plans));
  const running: RunningBox[] = [];
  const stop = async () => {
    for (const box of running) await box.stop();
    await locks[Symbol.asyncDispose]();
  };
  try {
    // From the inside out, and stopped the other way round: nobody is let in who cannot be served.
    for (const kind of ["worker", "gateway", "balancer", "admin"] as const) {
      const starting = plans
        .filter((plan) => plan.kind === kind)
        .map((plan) => startBox(plan, context));
      running.unshift(...(await Promise.all(starting)));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const port = running.find((box) => box.port !== undefined)?.port;
  const adminPort = running.find((box) => box.adminPort !== undefined)?.adminPort;
  return {
    ...(port === undefined ? {} : { port }),
    ...(adminPort === undefined ? {} : { adminPort }),
    summary: await summaryOf(system),
    stop,
  };
}

function startBox(plan: BoxPlan, context: BoxContext): Promise<RunningBox> {
  const log = context.log.child({ box: plan.title });
  switch (plan.kind) {
    case "balancer":
      return startBalancer(plan, { ...context, log });
    case "gateway":
      return startGateway(plan, { ...context, log });
    case "worker":
      return startWorker(plan, { ...context, log });
    case "admin":
      return startAdmin(plan, { ...context, log });
  }
}
