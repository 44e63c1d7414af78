/**
 * An instance that is cut off from the queue for longer than its lease, while another takes over:
 * it knows what the other has done. (That it claims nothing which nobody did, the drills of engines
 * on other servers prove: test/drill/servers.test.ts.)
 */
import { expect, it, vi } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { Bench, type Instance, store, wait } from "./bench.ts";

const leaseTimes = { leaseMs: 300, heartbeatMs: 50 };

/** The bench's queue, which breaks off after it has read while `isCutOff`. */
class Cable {
  isCutOff = false;
  readonly queue: Bench["queue"];

  constructor({ queue }: Bench) {
    this.queue = {
      ...queue,
      subscribe: (...call) => {
        const subscription = queue.subscribe(...call);
        return {
          close: () => subscription.close(),
          next: async (...wants) => {
            const batch = await subscription.next(...wants);
            if (!this.isCutOff) return batch;
            throw new MillraceError("MR_QUEUE_UNAVAILABLE", "The queue does not answer.");
          },
        };
      },
    };
  }
}

async function ownsAll(instance: Instance, name: string): Promise<void> {
  await vi.waitFor(async () => {
    const rows = await instance.database.read("select owner from millrace_positions");
    expect(rows.map(({ owner }) => owner)).toEqual(rows.map(() => name));
  }, wait);
}

it("knows what another has done meanwhile", async () => {
  await using bench = await Bench.open();
  const cable = new Cable(bench);
  const one = await bench.start([store], { queue: cable.queue, leaseTimes });
  const first = await bench.publish("a", 1);
  expect(await one.worker.standing(first, 20_000)).toEqual({ state: "done" });
  cable.isCutOff = true;
  await bench.start([store], { instance: "counter 2", leaseTimes });
  await ownsAll(one, "counter 2");
  const later = await bench.publish("a", 2);
  expect(await one.worker.standing(later, 20_000)).toEqual({ state: "done" });
  expect(await bench.effects(one)).toHaveLength(2);
});
