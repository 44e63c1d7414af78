import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";

export type HealthState = "ready" | "unready" | "ejected";

export interface HealthLimits {
  readonly ejectAfterFailures: number;
  readonly ejectionMs: number;
}

/**
 * Whether one gateway should get requests, from what its probes say and from how its requests end:
 *
 * ```
 *           /readyz says no
 *     ┌──────────────────────▶ unready ──┐
 *   ready ◀────/readyz says yes───┘      │ failures in a row: broken requests, silent probes
 *     │ ▲                                ▼
 *     │ └──/readyz says yes──────────  ejected
 *     │    and its time is over          ▲
 *     └─────────failures in a row────────┘
 * ```
 *
 * Each ejection is twice as long as the one before, until the gateway has been ready for a while:
 * one that answers probes and fails requests would otherwise come back with every probe.
 */
export class Health {
  readonly #clock: Clock;
  readonly #limits: HealthLimits;
  readonly #changed: (state: HealthState) => void;
  #state: HealthState = "ready";
  /** In a row, counted apart: an answered probe does not excuse requests that break. */
  readonly #failures = { request: 0, probe: 0 };
  #ejections = 0;
  /** Ejections that still count for the length of the next. */
  #recentEjections = 0;
  #readySinceMs: number;
  #ejectedUntilMs = 0;

  constructor(clock: Clock, healthLimits: HealthLimits, changed: (state: HealthState) => void) {
    this.#clock = clock;
    this.#limits = healthLimits;
    this.#changed = changed;
    this.#readySinceMs = clock.monotonic();
  }

  get state(): HealthState {
    return this.#state;
  }

  get ejections(): number {
    return this.#ejections;
  }

  /** A request got its answer, whatever it was. */
  answered(): void {
    this.#failures.request = 0;
  }

  /** A request broke, or a probe got no answer. */
  failed(what: "request" | "probe"): void {
    const failures = ++this.#failures[what];
    if (failures < this.#limits.ejectAfterFailures || this.#state === "ejected") return;
    const nowMs = this.#clock.monotonic();
    const wasSteady =
      this.#state === "ready" && nowMs - this.#readySinceMs >= limits.ejectionForgetMs;
    if (wasSteady) this.#recentEjections = 0;
    const lengthMs = this.#limits.ejectionMs * 2 ** this.#recentEjections;
    this.#ejectedUntilMs = nowMs + Math.min(lengthMs, limits.ejectionMaxMs);
    this.#ejections++;
    this.#recentEjections++;
    this.#enter("ejected");
  }

  /** `/readyz` was answered. */
  probed(isReady: boolean): void {
    this.#failures.probe = 0;
    if (this.#state === "ejected" && this.#clock.monotonic() < this.#ejectedUntilMs) return;
    this.#enter(isReady ? "ready" : "unready");
  }

  /** Somebody who knows says that it is fine: it was restarted. */
  reset(): void {
    this.#recentEjections = 0;
    this.#enter("ready");
  }

  #enter(state: HealthState): void {
    if (state === "ready" && this.#state === "ejected") this.#failures.request = 0;
    if (state === this.#state) return;
    if (state === "ready") this.#readySinceMs = this.#clock.monotonic();
    this.#state = state;
    this.#changed(state);
  }
}
