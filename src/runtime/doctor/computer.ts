import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { systemClock } from "../../lib/clock.ts";
import type { Finding } from "./finding.ts";

/** Node, npm, SQLite, the clock: what is true of this computer, whatever it runs. */
export async function checkComputer(): Promise<Finding[]> {
  return [checkNode(), checkSqlite(), await checkNpm(), await checkClock()];
}

/** When each release line of Node ends. */
const ends: Readonly<Record<number, string>> = { 22: "2027-04-30", 24: "2028-04-30" };

function checkNode(): Finding {
  const what = "Node";
  const detail = process.versions.node;
  const end = ends[Number.parseInt(detail, 10)];
  const isOver = end !== undefined && systemClock.now() > Date.parse(end);
  if (!isOver) return { what, status: "pass", detail };
  return {
    what,
    status: "warn",
    detail: `${detail} gets no security fixes since ${end}`,
    remedy: "Install the newest Node with long-term support.",
  };
}

function checkSqlite(): Finding {
  const what = "SQLite";
  const detail = process.versions.sqlite ?? "none";
  const [major = 0, minor = 0, patch = 0] = detail.split(".").map(Number);
  const isFixed = major * 1e6 + minor * 1e3 + patch >= 3_051_003;
  if (isFixed) return { what, status: "pass", detail };
  return {
    what,
    status: "fail",
    detail: `${detail} can damage a file that several processes write (fixed in 3.51.3)`,
    remedy: "Install Node 22.23, 24.15 or later, or 26.",
  };
}

async function checkNpm(): Promise<Finding> {
  const what = "npm";
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  try {
    const { stdout } = await promisify(execFile)(npm, ["--version"], { timeout: 10_000 });
    return { what, status: "pass", detail: stdout.trim() };
  } catch {
    return {
      what,
      status: "warn",
      detail: "not found; Millrace runs without it",
      remedy: "It comes with Node; install Node from nodejs.org to have it.",
    };
  }
}

/** Times of events come from this clock. One that stands before this program was made is wrong. */
async function checkClock(): Promise<Finding> {
  const what = "Clock";
  const now = systemClock.now();
  const { mtimeMs } = await stat(new URL(import.meta.url));
  const dayMs = 86_400_000;
  if (now > mtimeMs - dayMs) return { what, status: "pass", detail: new Date(now).toISOString() };
  return {
    what,
    status: "fail",
    detail: `it says ${new Date(now).toISOString()}, which is before this program was installed`,
    remedy: "Set the clock, and keep it with NTP.",
  };
}
