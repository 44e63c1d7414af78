/**
 * A stand-in for the process of a box, for the tests of the supervisor. Its second argument is the
 * box's name; what it does is told by BOX_BEHAVIOUR, a JSON object from names to behaviours:
 * serve (default), crash (ends with status 7 when ready), fail (reports a mistake and ends),
 * hang (blocks its event loop once ready), slow (says nothing before there is a file
 * BOX_JOURNAL.loaded), stubborn (does not stop), progress (as crash, but gets
 * something done before).
 *
 * Every step is a line of the file BOX_JOURNAL: `name step pid`.
 */
import { appendFileSync, existsSync } from "node:fs";

const name = process.argv[3];
const behaviours = JSON.parse(process.env.BOX_BEHAVIOUR ?? "{}");
const behaviour = behaviours[name] ?? "serve";
const loaded = `${process.env.BOX_JOURNAL}.loaded`;
const note = (step) => appendFileSync(process.env.BOX_JOURNAL, `${name} ${step} ${process.pid}\n`);

if (behaviour === "slow") {
  note("loading");
  while (!existsSync(loaded)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
}

process.on("SIGINT", () => {});
process.once("disconnect", () => {
  note("orphan");
  process.exit(0);
});
process.on("SIGTERM", () => process.send({ kind: "terminated" }));
process.on("message", (message) => {
  if (message.kind === "begin") begin();
  if (message.kind === "drain") {
    note("drain");
    if (behaviour !== "stubborn") process.exit(0);
  }
  if (message.kind === "gateway") {
    note(`${message.serving ? "resume" : "pause"}:${message.name}`);
    process.send(message);
  }
});

function begin() {
  note("begin");
  if (behaviour === "fail") {
    const error = { code: "MR_MIGRATION_FAILED", message: "no such table", faults: [] };
    process.send({ kind: "failed", error }, () => process.exit(1));
    return;
  }
  note("ready");
  process.send({ kind: "ready", port: name === "balancer" ? 4711 : undefined });
  if (behaviour === "progress") process.send({ kind: "progress" });
  if (behaviour === "crash" || behaviour === "progress") setTimeout(() => process.exit(7), 20);
  if (behaviour === "hang") {
    setTimeout(() => {
      note("hang");
      while (!existsSync(`${process.env.BOX_JOURNAL}.never`));
    }, 20);
  }
}

setInterval(() => process.send?.({ kind: "alive" }), 100);
