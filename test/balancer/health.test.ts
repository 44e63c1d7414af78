/** Proves when a gateway is left alone and when it returns, on a clock that is turned by hand. */
import { expect, test } from "vitest";
import { Health } from "../../src/balancer/health.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";

function makeHealth() {
  const clock = handClock();
  const states: string[] = [];
  const health = new Health(clock, { ejectAfterFailures: 2, ejectionMs: 1_000 }, (state) =>
    states.push(state),
  );
  const eject = () => {
    health.failed("request");
    health.failed("request");
  };
  return { clock, states, health, eject };
}

test("it takes failures in a row, of one kind", () => {
  const { health } = makeHealth();
  health.failed("request");
  health.answered();
  health.failed("request");
  health.failed("probe");
  expect(health.state).toBe("ready");
  health.failed("request");
  expect(health.state).toBe("ejected");
  expect(health.ejections).toBe(1);
});

test("an answered probe does not excuse requests that break, nor the other way round", () => {
  const { health } = makeHealth();
  health.failed("request");
  health.probed(true);
  health.failed("request");
  expect(health.state).toBe("ejected");
  const { health: silent } = makeHealth();
  silent.failed("probe");
  silent.answered();
  silent.failed("probe");
  expect(silent.state).toBe("ejected");
});

test("it returns with the first good probe after its time", () => {
  const { clock, states, health, eject } = makeHealth();
  eject();
  clock.advance(999);
  health.probed(true);
  expect(health.state).toBe("ejected");
  clock.advance(1);
  health.failed("probe");
  expect(health.state).toBe("ejected");
  health.probed(true);
  expect(states).toEqual(["ejected", "ready"]);
});

test("each ejection is twice as long, up to a limit, until it has been ready for a while", () => {
  const { clock, health, eject } = makeHealth();
  const ejectedMs = () => {
    let ms = 0;
    while (health.state === "ejected") {
      clock.advance(100);
      ms += 100;
      health.probed(true);
    }
    return ms;
  };
  const lengths = Array.from({ length: 7 }, () => {
    eject();
    return ejectedMs();
  });
  const most = limits.ejectionMaxMs;
  expect(lengths).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, most, most]);
  clock.advance(limits.ejectionForgetMs);
  eject();
  expect(ejectedMs()).toBe(1_000);
});

test("who says that it is not ready gets nothing, without any blame", () => {
  const { states, health } = makeHealth();
  health.probed(false);
  health.probed(false);
  health.probed(true);
  expect(states).toEqual(["unready", "ready"]);
  expect(health.ejections).toBe(0);
});

test("a reset forgets what was before the restart", () => {
  const { health, eject } = makeHealth();
  eject();
  health.reset();
  expect(health.state).toBe("ready");
  health.failed("request");
  expect(health.state).toBe("ready");
});
