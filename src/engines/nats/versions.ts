import type { NatsFinding } from "./inspection.ts";

type Version = readonly [major: number, minor: number, patch: number];

/**
 * Below 2.11.2 a change of leader can skip or swallow messages, and one can be delivered before a
 * quorum has it; below 2.12 a batch is stored message by message, so that claims hold nothing.
 */
const versionMin: Version = [2, 12, 0];

/** Fixed there: a panic before authentication, and ways around the authentication of routes. */
const fixedIn: Version = [2, 12, 7];

export function isTooOld(version: string): boolean {
  return isBelow(versionOf(version), versionMin);
}

export function judgeVersion(version: string): NatsFinding {
  const what = "NATS server";
  const remedy = "Upgrade every server of the cluster.";
  if (isTooOld(version)) {
    const detail = `${version}: stores no batches; Millrace needs ${versionMin.join(".")} or later`;
    return { what, status: "fail", detail, remedy };
  }
  if (isBelow(versionOf(version), fixedIn)) {
    const detail = `${version}: known to be open to attack (CVE-2026-27889 and others)`;
    return { what, status: "warn", detail, remedy };
  }
  return { what, status: "pass", detail: version };
}

export const neededVersion = versionMin.join(".");

function versionOf(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.split(/[.-]/).slice(0, 3).map(Number);
  return [major || 0, minor || 0, patch || 0];
}

function isBelow(version: Version, other: Version): boolean {
  const at = version.findIndex((part, index) => part !== other[index]);
  return at >= 0 && (version[at] ?? 0) < (other[at] ?? 0);
}
