import type { DatabaseEngine } from "../database/engine.ts";
import type { EventName } from "../queue/engine.ts";
import type { Place } from "../worker/link.ts";

/** An event that a worker keeps beside the queue: parked, scheduled, or a dead letter. */
export type WaitingEvent = Place & EventName;

const pageSize = 500;

/** Those of one worker, in the order of their places. */
async function* waitingAt(database: DatabaseEngine): AsyncGenerator<WaitingEvent> {
  const columns = "partition, position, event";
  for (let after: Place = { partition: -1, position: -1 }; ; ) {
    const rows = await database.read<Place & { event: string }>(
      `select ${columns} from (select ${columns} from millrace_parked
         union all select ${columns} from millrace_timers
         union all select ${columns} from millrace_dead_letters) as waiting
       where (partition, position) > ($1, $2) order by partition, position limit ${pageSize}`,
      [after.partition, after.position],
    );
    for (const { partition, position, event } of rows) {
      const { id, source }: EventName = JSON.parse(event);
      yield { partition, position, id, source };
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

/** Those of all workers together, each once, in the order of their places. */
export async function* waitingEvents(
  databases: Iterable<DatabaseEngine>,
): AsyncGenerator<WaitingEvent> {
  const heads: { readonly lines: AsyncGenerator<WaitingEvent>; head: WaitingEvent }[] = [];
  for (const database of databases) {
    const lines = waitingAt(database);
    const { value } = await lines.next();
    if (value !== undefined) heads.push({ lines, head: value });
  }
  for (let last: WaitingEvent | undefined; heads.length > 0; ) {
    const [first] = heads.sort((one, other) => compare(one.head, other.head));
    if (first === undefined) return;
    if (last === undefined || compare(last, first.head) !== 0) yield first.head;
    last = first.head;
    const { value } = await first.lines.next();
    if (value === undefined) heads.shift();
    else first.head = value;
  }
}

const compare = (one: Place, other: Place): number =>
  one.partition - other.partition || one.position - other.position;
