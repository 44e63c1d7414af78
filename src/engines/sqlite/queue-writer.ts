import { parentPort, workerData } from "node:worker_threads";
import { MillraceError, unreachable } from "../../lib/errors.ts";
import { BrokenFile, QueueFile } from "./queue-file.ts";
import {
  failureOf,
  type WriterAnswers,
  type WriterMessage,
  type WriterRequest,
  type WriterSettings,
} from "./queue-protocol.ts";

/**
 * The thread on which a process writes to its queue, so that waiting for the disk never stops the
 * event loop. Requests are answered one by one in their order. After an error that leaves the
 * file's content uncertain it refuses everything: the process must end, and a new one look at the
 * disk.
 */
const port = parentPort;
if (port === null) throw new Error("queue-writer.ts runs as a worker thread only");

const say = (message: WriterMessage) => port.postMessage(message);
let file: QueueFile | undefined;
let broken: Error | undefined;

try {
  file = new QueueFile(workerData as WriterSettings);
  say({ kind: "ready", ready: file.ready });
} catch (error) {
  const told = error instanceof BrokenFile ? error.told : error;
  say({ kind: "refusal", failure: failureOf(told) });
}

port.on("message", (request: WriterRequest) => {
  let answered = false;
  try {
    if (file === undefined || (broken !== undefined && request.kind !== "close")) throw stopped();
    const answer = perform(file, request);
    answered = true;
    say({ kind: "answer", answer });
    if (request.kind === "append") file.tidy();
  } catch (error) {
    const told = error instanceof BrokenFile ? error.told : error;
    if (!answered) say({ kind: "refusal", failure: failureOf(told) });
    if (!(error instanceof BrokenFile) || broken !== undefined) return;
    broken = error.told;
    say({ kind: "broken", failure: failureOf(broken) });
  }
});

function perform(to: QueueFile, request: WriterRequest): WriterAnswers[WriterRequest["kind"]] {
  switch (request.kind) {
    case "append":
      return to.append(request.fields, request.nowMs);
    case "trim":
      return to.trim(request);
    case "state":
      return to.state();
    case "close":
      to.close(broken === undefined);
      return null;
    default:
      return unreachable(request);
  }
}

const stopped = () =>
  new MillraceError("MR_QUEUE_UNAVAILABLE", "The queue's writer has stopped after a disk error.", {
    remedy: "Check the disk; the process must be restarted.",
    retryAfterSeconds: 1,
  });
