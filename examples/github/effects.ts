import { setTimeout as sleep } from "node:timers/promises";
import type { Expectation } from "./expectation.ts";

/** What the workers' queries tell: feed or person → deliveries, repeats included. */
export interface Effects {
  readonly activities: number;
  readonly messages: number;
  readonly feeds: ReadonlyMap<string, readonly string[]>;
  readonly inboxes: ReadonlyMap<string, readonly string[]>;
}

interface Place {
  readonly partition: number;
  readonly position: number;
}

const waitMs = 30_000;
const betweenMs = 100;

/** Waits until the workers have handled what was accepted, then asks both for everything. */
export async function effectsAt(
  url: string,
  accepted: readonly Place[],
  expected: Expectation,
): Promise<Effects> {
  const activities = await ask<{ place: string; activities: number }[]>(
    `${url}/activity/totals`,
    accepted,
  );
  const messages = await inboxTotals(url, sizeOf(expected.inboxes));
  return {
    activities: sum(activities.map((row) => row.activities)),
    messages: sum(messages.map((row) => row.messages)),
    feeds: await lists(
      activities.map(({ place }) => place),
      (place) => `${url}/activity/feed?${new URLSearchParams({ repository: place })}`,
    ),
    inboxes: await lists(
      messages.map(({ person }) => person),
      (person) => `${url}/inbox/list?${new URLSearchParams({ user: person })}`,
    ),
  };
}

/** Follow-up events have positions that nobody was told, so their effects are waited for. */
async function inboxTotals(url: string, wanted: number) {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const totals = await ask<{ person: string; messages: number }[]>(`${url}/inbox/totals`);
    const enough = sum(totals.map((row) => row.messages)) >= wanted;
    if (enough || performance.now() > deadline) return totals;
    await sleep(betweenMs);
  }
}

async function lists(
  names: readonly string[],
  address: (name: string) => string,
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const name of names) {
    const rows = await ask<{ delivery: string }[]>(address(name));
    found.set(
      name,
      rows.map(({ delivery }) => delivery),
    );
  }
  return found;
}

/** A query; with places of receipts, its answer is at least as new as these. */
async function ask<Answer>(url: string, after: readonly Place[] = []): Promise<Answer> {
  const furthest = new Map<number, number>();
  for (const { partition, position } of after) {
    furthest.set(partition, Math.max(position, furthest.get(partition) ?? 0));
  }
  const places = [...furthest].map((place) => place.join(":")).join(", ");
  const response = await fetch(url, places ? { headers: { "millrace-after": places } } : {});
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const sizeOf = (sets: ReadonlyMap<string, ReadonlySet<string>>) =>
  sum([...sets.values()].map((set) => set.size));
