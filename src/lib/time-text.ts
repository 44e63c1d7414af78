const units: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3.6e6, d: 86.4e6 };

export const timeTextForms = "90s, 10m, 2h, 7d, or a time such as 2026-01-31T12:00:00Z";

/**
 * Reads `90s`, `10m`, `2h`, `7d` before now, or a time of RFC 3339, as milliseconds since 1970;
 * undefined where it is neither.
 */
export function parseTimeText(text: string, nowMs: number): number | undefined {
  const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const unitMs = units[unit];
  if (count !== undefined && unitMs !== undefined) return nowMs - Number(count) * unitMs;
  const timeMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(timeMs) ? timeMs : undefined;
}
