import { isRfc3339 } from "./rfc3339.ts";

const units: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3.6e6, d: 86.4e6 };

export const timeTextForms = "90s, 10m, 2h, 7d, or a time such as 2026-01-31T12:00:00Z";

/**
 * Reads `90s`, `10m`, `2h`, `7d` before now, or a time of RFC 3339, as milliseconds since 1970;
 * undefined where it is neither.
 */
export function parseTimeText(text: string, nowMs: number): number | undefined {
  const spanMs = spanOf(text);
  if (spanMs !== undefined) return nowMs - spanMs;
  const timeMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(timeMs) ? timeMs : undefined;
}

/**
 * Reads `90s`, `10m`, `2h`, `7d` from now, or a time of RFC 3339, as the latter; undefined where it
 * is neither.
 */
export function parseTimeAhead(text: string, nowMs: number): string | undefined {
  const spanMs = spanOf(text);
  if (spanMs === undefined) return isRfc3339(text) ? text : undefined;
  const time = new Date(nowMs + spanMs);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

function spanOf(text: string): number | undefined {
  const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const unitMs = units[unit];
  return count === undefined || unitMs === undefined ? undefined : Number(count) * unitMs;
}
