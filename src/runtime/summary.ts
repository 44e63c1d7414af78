import type { SystemDefinition } from "../system/system.ts";
import { exampleData } from "./example-data.ts";

/** What the first screen tells of a system. Plain data: it may come from another process. */
export interface SystemSummary {
  readonly name: string;
  readonly hasPage: boolean;
  readonly workers: readonly string[];
  /** An event to try first. */
  readonly example: { readonly type: string; readonly data: unknown } | undefined;
}

export async function summaryOf(system: SystemDefinition): Promise<SystemSummary> {
  const [event] = system.accepts;
  const data = event === undefined ? undefined : await exampleData(event);
  return {
    name: system.name,
    hasPage: system.page !== undefined,
    workers: system.workers.map(({ name }) => name),
    example: event === undefined || data === undefined ? undefined : { type: event.type, data },
  };
}
