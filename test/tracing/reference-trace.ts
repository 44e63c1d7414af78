import { hopName, hopNumber, type Step, workerLetters } from "../../src/tracing/hops.ts";
import type { SpanRecord } from "../../src/tracing/span-store.ts";
import { spanRecord } from "./span-records.ts";

const letters = workerLetters(["timelines", "notifications"]);
const post = "0199aaaa-0000-7000-8000-000000000001";
export const postId = post;
export const mentionId = "0199aaaa-0000-7000-8000-000000000002";
const traceStartUs = 1_700_000_000_000_000;

interface HandMade {
  readonly id: string;
  readonly parent?: string;
  readonly step: Step;
  readonly box: string;
  readonly from: number;
  readonly until: number;
  readonly event?: string;
  readonly worker?: string;
  readonly depth?: number;
  readonly wait?: number;
}

/** A span of the picture by hand; times are in milliseconds after the beginning of the trace. */
export const hopSpan = (hop: HandMade): SpanRecord =>
  spanRecord({
    spanId: hop.id.padStart(16, "0"),
    parentSpanId: hop.parent?.padStart(16, "0"),
    name: hop.step,
    hop: hopNumber(hop.step, hop.depth ?? 0),
    hopName: hopName(hop.step, letters.get(hop.worker ?? "")),
    worker: hop.worker,
    box: hop.box,
    startUs: traceStartUs + hop.from * 1_000,
    durationUs: (hop.until - hop.from) * 1_000,
    waitUs: (hop.wait ?? 0) * 1_000,
    eventId: hop.event,
  });

const timelines = { box: "worker timelines 1", worker: "timelines", event: post };
const relay = { box: "worker timelines 1", worker: "timelines", event: mentionId };
const notifications = {
  box: "worker notifications 1",
  worker: "notifications",
  event: mentionId,
  depth: 1,
};

/** The reference example's one request, hop by hop, in the order of the picture. */
export const thirteenHops: readonly SpanRecord[] = [
  hopSpan({ id: "1", step: "user → load balancer", box: "balancer", from: 0, until: 3.2 }),
  hopSpan({
    id: "2",
    parent: "1",
    step: "load balancer → API gateway",
    box: "balancer",
    from: 0.2,
    until: 3.1,
  }),
  hopSpan({
    id: "3",
    parent: "2",
    step: "API gateway → event producer",
    box: "gateway 1",
    from: 0.6,
    until: 2.8,
    event: post,
  }),
  hopSpan({
    id: "4",
    parent: "3",
    step: "event producer → message queue",
    box: "gateway 1",
    from: 0.9,
    until: 2.7,
    event: post,
    wait: 0.5,
  }),
  hopSpan({
    ...timelines,
    id: "5",
    parent: "3",
    step: "message queue → worker",
    from: 2.5,
    until: 5.5,
    wait: 3,
  }),
  hopSpan({
    ...timelines,
    id: "6",
    parent: "5",
    step: "worker → cache (look up)",
    from: 5.6,
    until: 5.7,
  }),
  hopSpan({
    ...timelines,
    id: "7",
    parent: "5",
    step: "worker → database",
    from: 5.5,
    until: 7.5,
  }),
  hopSpan({
    ...timelines,
    id: "8",
    parent: "5",
    step: "worker → cache (refresh)",
    from: 7.5,
    until: 7.6,
  }),
  hopSpan({ ...relay, id: "9", parent: "7", step: "worker → message queue", from: 7.6, until: 9 }),
  hopSpan({
    ...notifications,
    id: "a",
    parent: "7",
    step: "message queue → worker",
    from: 8.8,
    until: 9.8,
    wait: 1,
  }),
  hopSpan({
    ...notifications,
    id: "b",
    parent: "a",
    step: "worker → cache (look up)",
    from: 9.8,
    until: 9.9,
  }),
  hopSpan({
    ...notifications,
    id: "c",
    parent: "a",
    step: "worker → database",
    from: 9.8,
    until: 12,
  }),
  hopSpan({
    ...notifications,
    id: "d",
    parent: "a",
    step: "worker → cache (refresh)",
    from: 12,
    until: 12.4,
  }),
];

/** The same, as people read it in the picture. */
export const thirteenNames = [
  "1 user → load balancer",
  "2 load balancer → API gateway",
  "3 API gateway → event producer",
  "4 event producer → message queue",
  "5 message queue → worker A",
  "6 worker A → cache A (look up)",
  "7 worker A → database A",
  "8 worker A → cache A (refresh)",
  "9 worker A → message queue",
  "10 message queue → worker B",
  "11 worker B → cache B (look up)",
  "12 worker B → database B",
  "13 worker B → cache B (refresh)",
];
