import type { SpanRecord } from "./span-store.ts";

/**
 * Puts the spans of a trace in the order in which they caused each other. What one worker did for
 * one event stands together, by number of hop; what its follow-up events led to stands right behind
 * it, before what the next worker did for the same event. Clocks only decide between equals, since
 * spans come from several processes.
 */
export function causalOrder(spans: readonly SpanRecord[]): SpanRecord[] {
  const groups = groupsOf(spans);
  const ordered: SpanRecord[] = [];
  const placed = new Set<Group>();
  const place = (group: Group) => {
    if (placed.has(group)) return;
    placed.add(group);
    ordered.push(...group.spans);
    for (const child of group.children) place(child);
  };
  for (const group of groups) if (group.parent === undefined) place(group);
  // Parents that point at each other can only be made up; nothing is left out all the same.
  for (const group of groups) place(group);
  return ordered;
}

/** The spans of one event at one worker, or of one request before the queue. */
interface Group {
  readonly spans: SpanRecord[];
  readonly children: Group[];
  parent: Group | undefined;
}

function groupsOf(spans: readonly SpanRecord[]): Group[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const groups = new Map<string, Group>();
  for (const span of [...spans].sort(byHopThenStart)) {
    const name = groupName(span, byId);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { spans: [span], children: [], parent: undefined });
    else group.spans.push(span);
  }
  for (const group of groups.values()) {
    const parent = parentOf(group, byId, groups);
    if (parent === undefined) continue;
    group.parent = parent;
    parent.children.push(group);
  }
  // Groups were made in the order of their first hops, so children are in that order already.
  return [...groups.values()];
}

/** The group that caused this one: where the parent of one of its spans is, if not in itself. */
function parentOf(
  group: Group,
  byId: ReadonlyMap<string, SpanRecord>,
  groups: ReadonlyMap<string, Group>,
): Group | undefined {
  for (const { parentSpanId } of group.spans) {
    const cause = parentSpanId === undefined ? undefined : byId.get(parentSpanId);
    const parent = cause && groups.get(groupName(cause, byId));
    if (parent !== undefined && parent !== group) return parent;
  }
  return undefined;
}

function groupName(span: SpanRecord, byId: ReadonlyMap<string, SpanRecord>): string {
  if (span.worker !== undefined) return `${span.eventId} at ${span.worker}`;
  return `request ${rootOf(span, byId).spanId}`;
}

/** The first known span above this one that is no worker's; a missing one ends the way up. */
function rootOf(span: SpanRecord, byId: ReadonlyMap<string, SpanRecord>): SpanRecord {
  const seen = new Set<SpanRecord>();
  let root = span;
  while (root.parentSpanId !== undefined && !seen.has(root)) {
    seen.add(root);
    const parent = byId.get(root.parentSpanId);
    if (parent === undefined || parent.worker !== undefined) break;
    root = parent;
  }
  return root;
}

/** Spans that are no hop come last: their place in the picture is not known. */
const byHopThenStart = (one: SpanRecord, other: SpanRecord): number =>
  (one.hop ?? Number.MAX_SAFE_INTEGER) - (other.hop ?? Number.MAX_SAFE_INTEGER) ||
  one.startUs - other.startUs;
