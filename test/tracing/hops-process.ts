/**
 * One process of the two-process test: records its half of the reference request into the file of
 * spans, as the boxes would, and prints the traceparent that it hands on. Started with: the file,
 * its half, and for the second half the traceparent.
 */
import { openSqliteSpanStore } from "../../src/engines/sqlite/span-store.ts";
import { workerLetters } from "../../src/tracing/hops.ts";
import { createTracing } from "../../src/tracing/recorder.ts";
import { formatTraceparent, type TraceContext, type Tracing } from "../../src/tracing/tracing.ts";
import { mentionId, postId } from "./reference-trace.ts";

const [file = "", half = "", traceparent] = process.argv.slice(2);
const store = await openSqliteSpanStore({ file });
const tracing = createTracing({
  store,
  box: half === "front" ? "gateway 1" : "worker timelines 1",
  workerLetters: workerLetters(["timelines", "notifications"]),
});
const context = tracing.begin(traceparent);
const handedOn = half === "front" ? frontHops(tracing, context) : workerHops(tracing, context);
await tracing.stop();
await store.close();
process.stdout.write(formatTraceparent(handedOn));

function frontHops(tracing: Tracing, begun: TraceContext): TraceContext {
  const received = tracing.hop("user → load balancer", begun, { name: "POST /events" });
  const passedOn = tracing.hop("load balancer → API gateway", received.context, { name: "POST" });
  const about = { eventId: postId };
  const created = tracing.hop("API gateway → event producer", passedOn.context, {
    name: "create post.published",
    ...about,
  });
  tracing
    .hop("event producer → message queue", created.context, { name: "send post.published" })
    .end(about);
  for (const hop of [created, passedOn, received]) hop.end();
  return created.context;
}

function workerHops(tracing: Tracing, created: TraceContext): TraceContext {
  const applied = handled(tracing, created, "timelines", postId, 0);
  tracing
    .hop("worker → message queue", applied, {
      name: "send mention.found",
      worker: "timelines",
      eventId: mentionId,
    })
    .end();
  return handled(tracing, applied, "notifications", mentionId, 1);
}

function handled(
  tracing: Tracing,
  parent: TraceContext,
  worker: string,
  eventId: string,
  depth: number,
): TraceContext {
  const common = { worker, eventId, depth };
  const hop = (step: Parameters<Tracing["hop"]>[0], below: TraceContext, name: string) => {
    const made = tracing.hop(step, below, { ...common, name });
    made.end();
    return made.context;
  };
  const received = hop("message queue → worker", parent, "receive");
  hop("worker → cache (look up)", received, "cache look up");
  const applied = hop("worker → database", received, "process");
  hop("worker → cache (refresh)", received, "cache refresh");
  return applied;
}
