/**
 * Appends to a queue until it is killed, and tells each answer in a line (support.ts starts it).
 */
import { writeSync } from "node:fs";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import { request, type WriterLine, type WriterOptions } from "./writer-terms.ts";

const {
  folder,
  name,
  appends,
  eventsMax = 8,
  dataBytes = 10,
  diskLowBytes,
}: WriterOptions = JSON.parse(process.argv[2] ?? "{}");
const tell = (line: WriterLine) => writeSync(1, `${JSON.stringify(line)}\n`);
const onFatal = ({ code }: MillraceError) => tell({ fatal: code });
const engine = await openSqliteQueue({
  ...{ folder, partitions: 4, ballastBytes: 0, onFatal },
  ...(diskLowBytes === undefined ? {} : { diskLowBytes }),
});
const data = JSON.stringify("x".repeat(dataBytes));

for (let counter = 0, append = 0; append < (appends ?? Number.POSITIVE_INFINITY); append++) {
  const count = 1 + (append % eventsMax);
  const batch = Array.from({ length: count }, () => {
    counter++;
    return request(`${name}-${counter}`, counter % 4, data);
  });
  try {
    const receipts = await engine.append(batch);
    tell({
      acknowledged: receipts.map(({ id, partition, position }) => [id, partition, position]),
    });
  } catch (error) {
    tell({ refused: error instanceof MillraceError ? error.code : String(error) });
  }
}
await engine.close();
