import type { BoxPlan, PicturePlan } from "../topology.ts";
import { startBalancer } from "./balancer.ts";
import type { BoxContext, RunningBox } from "./box.ts";
import { startGateway } from "./gateway.ts";
import { startWorker } from "./worker.ts";

/**
 * Starts every box in this one process. They talk as they do when apart, over sockets, so that
 * nothing behaves differently while an application is written.
 */
export async function startPicture(plan: PicturePlan, context: BoxContext): Promise<RunningBox> {
  const running: RunningBox[] = [];
  // From the inside out, and stopped the other way round: nobody is let in who cannot be served.
  const order = ["worker", "gateway", "balancer"] as const;
  for (const kind of order) {
    const plans = plan.plans.filter((box) => box.kind === kind);
    running.unshift(...(await Promise.all(plans.map((box) => startBox(box, context)))));
  }
  const port = running.find((box) => box.port !== undefined)?.port;
  return {
    ...(port === undefined ? {} : { port }),
    async stop() {
      for (const box of running) await box.stop();
    },
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
  }
}
