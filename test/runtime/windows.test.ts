/** Each window is longer than what can be delivered again before it, whatever is configured. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import { windowsOf } from "../../src/runtime/windows.ts";

it("remembers handled ids for longer than the queue can deliver them", () => {
  fc.assert(
    fc.property(fc.nat({ max: 87_600 }), (retentionHours) => {
      const { ids, inbox, retention } = windowsOf({ retentionHours });
      expect(retention).toBe(retentionHours * 3_600_000);
      expect(ids).toBe(limits.idWindowMs);
      expect(inbox).toBeGreaterThanOrEqual(retention + ids);
    }),
  );
});
