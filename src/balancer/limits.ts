import { limits } from "../lib/limits.ts";

/** The bounds of the balancer that an operator may set and a test shortens. */
const defaults = {
  bodyBytesMax: limits.bodyBytesMax,
  ndjsonBytesMax: limits.ndjsonBytesMax,
  headersTimeoutMs: limits.headersTimeoutMs,
  requestTimeoutMs: limits.requestTimeoutMs,
  ndjsonTimeoutMs: limits.ndjsonTimeoutMs,
  bodyIdleMs: limits.bodyIdleMs,
  bodyBytesPerIdleMin: limits.bodyBytesPerIdleMin,
  keepAliveMs: limits.keepAliveMs,
  requestsPerConnectionMax: limits.requestsPerConnectionMax,
  connectionsMax: limits.connectionsMax,
  connectionsPerAddressMax: limits.connectionsPerAddressMax,
  timeoutCheckMs: limits.timeoutCheckMs,
  lingerMs: limits.lingerMs,
  replayBytesMax: limits.replayBytesMax,
  gatewayConnectionsMax: limits.gatewayConnectionsMax,
  gatewayConnectMs: limits.gatewayConnectMs,
  gatewayIdleMs: limits.gatewayIdleMs,
  gatewayAnswerMs: limits.gatewayAnswerMs,
  answerSilenceMs: limits.answerSilenceMs,
  answerTakenMs: limits.answerTakenMs,
  drainMs: limits.drainMs,
  probeIntervalMs: limits.probeIntervalMs,
  probeTimeoutMs: limits.probeTimeoutMs,
  ejectAfterFailures: limits.ejectAfterFailures,
  ejectionMs: limits.ejectionMs,
} as const;

export type BalancerLimits = { readonly [Name in keyof typeof defaults]: number };

export const balancerLimits = (changed: Partial<BalancerLimits> = {}): BalancerLimits =>
  Object.freeze({ ...defaults, ...changed });
