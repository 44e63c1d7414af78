import { backlogScenario } from "./backlog.ts";
import { latencyScenario } from "./latency.ts";
import { peerScenarios } from "./peers.ts";
import { balancerScenarios, queryScenario } from "./queries.ts";
import { replayScenario } from "./replay.ts";
import { restScenario } from "./rest.ts";
import { scaleScenarios } from "./scale.ts";
import type { Scenario } from "./scenario.ts";
import { throughputScenarios } from "./throughput.ts";

/**
 * In the order in which a round takes them: what is compared stands close together; and what is at
 * rest comes first, while nothing else runs that could share its memory.
 */
export const scenarios: readonly Scenario[] = [
  restScenario,
  ...throughputScenarios,
  ...peerScenarios,
  latencyScenario,
  ...balancerScenarios,
  queryScenario,
  backlogScenario,
  ...scaleScenarios,
  replayScenario,
];
