import { backlogScenario } from "./backlog.ts";
import { latencyScenario } from "./latency.ts";
import { peerScenarios } from "./peers.ts";
import { balancerScenarios, queryScenario } from "./queries.ts";
import { replayScenario } from "./replay.ts";
import { restScenario } from "./rest.ts";
import { scaleScenarios } from "./scale.ts";
import type { Scenario } from "./scenario.ts";
import { throughputScenarios } from "./throughput.ts";

/** In the order in which a round takes them: what is compared stands close together. */
export const scenarios: readonly Scenario[] = [
  ...throughputScenarios,
  ...peerScenarios,
  latencyScenario,
  ...balancerScenarios,
  queryScenario,
  backlogScenario,
  restScenario,
  ...scaleScenarios,
  replayScenario,
];
