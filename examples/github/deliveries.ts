import { createHmac } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { seededRandom, shuffled } from "../random.ts";

/** One webhook as GitHub sends it. */
export interface Delivery {
  /** `x-github-delivery`: a redelivery has the id of the first. */
  readonly id: string;
  /** `x-github-event`. */
  readonly event: string;
  readonly body: string;
}

export interface Plan {
  /** What is sent, in this order; a delivery that stands here twice is sent twice. */
  readonly sent: readonly Delivery[];
  /** Each delivery once. */
  readonly distinct: readonly Delivery[];
}

/** How many deliveries in a hundred come twice, as GitHub sends them again when it was in doubt. */
const twicePercent = 20;

/** Every payload that GitHub's examples hold, those of GitHub Enterprise Server included. */
export function planDeliveries(seed: number): Plan {
  const random = seededRandom(seed);
  const distinct = allPayloads().map(({ event, body }) => ({ id: uuid(random), event, body }));
  const twice = distinct.filter(() => random() * 100 < twicePercent);
  return { distinct, sent: shuffled([...distinct, ...twice], random) };
}

/** Deliveries under ids that nobody else uses, to be sent with a wrong signature. */
export const forgeries = (seed: number, count: number): Delivery[] => {
  const random = seededRandom(seed + 1);
  return allPayloads()
    .slice(0, count)
    .map(({ event, body }) => ({ id: uuid(random), event, body }));
};

/** Sends a delivery to the gateway's webhook, signed with `secret`. */
export const send = (url: string, { id, event, body }: Delivery, secret: string) =>
  fetch(`${url}/hooks/github`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "GitHub-Hookshot/044aadd",
      "x-github-delivery": id,
      "x-github-event": event,
      "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
    },
    body,
  });

function allPayloads(): { event: string; body: string }[] {
  const manifest = createRequire(import.meta.url).resolve(
    "@octokit/webhooks-examples/package.json",
  );
  const folder = dirname(manifest);
  const found: { event: string; body: string }[] = [];
  for (const { name } of readdirSync(folder, { withFileTypes: true })
    .filter(isFolder)
    .sort(byName)) {
    const file = readFileSync(join(folder, name, "index.json"), "utf8");
    const kinds: { name: string; examples: unknown[] }[] = JSON.parse(file);
    for (const kind of kinds) {
      for (const example of kind.examples) {
        found.push({ event: kind.name, body: JSON.stringify(example) });
      }
    }
  }
  return found;
}

const isFolder = (entry: { isDirectory(): boolean }) => entry.isDirectory();
const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1);

/** A version 4 UUID of the seeded generator, so that a run can be repeated. */
function uuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join("");
  const variant = "89ab"[Math.floor(random() * 4)];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
