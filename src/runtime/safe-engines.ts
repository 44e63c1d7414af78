import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Config } from "./config.ts";
import type { Finding } from "./doctor/finding.ts";
import { isNats, loadNats } from "./engines.ts";

/** What is to say about the engines beyond this machine; nothing where there are none. */
export async function inspectEngines(config: Config): Promise<Finding[]> {
  if (!isNats(config.queue)) return [];
  const { inspectNats } = await loadInspection();
  return await inspectNats(config.queue, systemClock);
}

/** What they exclude of the promises; a server that cannot be reached among them. */
export const unsafeEngines = async (config: Config): Promise<Finding[]> =>
  failed(await inspectEngines(config));

/**
 * Engines that cannot keep the promises are refused, or accepted by a person's word, which is then
 * logged at every start.
 *
 * @throws MR_ENGINE_UNSAFE, MR_QUEUE_UNAVAILABLE
 */
export async function refuseUnsafeEngines(config: Config, log: Log): Promise<void> {
  if (!isNats(config.queue)) return;
  const { lookAtNats } = await loadInspection();
  const unsafe = failed(await lookAtNats(config.queue, systemClock));
  if (unsafe.length === 0) return;
  if (config.unsafeEngines === "accept") {
    for (const { what, detail, remedy } of unsafe) {
      log.warn({ what, remedy }, `MILLRACE_UNSAFE_ENGINES=accept: ${detail}.`);
    }
    return;
  }
  const sentences = unsafe.map(({ what, detail }) => `${what}: ${detail}.`);
  const remedies = unsafe.map(({ remedy }) => remedy).filter((remedy) => remedy !== undefined);
  throw new MillraceError("MR_ENGINE_UNSAFE", sentences.join("\n"), {
    remedy: `${remedies.join(" ")} To start all the same: MILLRACE_UNSAFE_ENGINES=accept`,
  });
}

const loadInspection = () => loadNats(() => import("../engines/nats/inspection.ts"));

const failed = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ status }) => status === "fail");
