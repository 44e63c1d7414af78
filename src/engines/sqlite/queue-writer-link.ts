import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { asError, MillraceError } from "../../lib/errors.ts";
import {
  errorOf,
  type WriterAnswers,
  type WriterMessage,
  type WriterReady,
  type WriterRequest,
  type WriterSettings,
} from "./queue-protocol.ts";

interface Waiting {
  readonly kind: WriterRequest["kind"];
  resolve(answer: WriterAnswers[WriterRequest["kind"]]): void;
  reject(error: Error): void;
}

/** The event loop's end of the writer's thread: sends requests, matches the answers to them. */
export class WriterLink {
  readonly #worker: Worker;
  readonly #onBroken: (error: MillraceError) => void;
  /** The thread answers in the order of the requests, so the oldest is always the next. */
  readonly #waiting: Waiting[] = [];
  #ready: WriterReady = { identity: "", partitions: 0 };
  #broken: MillraceError | undefined;
  #ended = false;

  private constructor(worker: Worker, onBroken: (error: MillraceError) => void) {
    this.#worker = worker;
    this.#onBroken = onBroken;
    worker.on("message", (message: WriterMessage) => this.#take(message));
    worker.on("error", (error) => this.#lost(error));
    worker.on("exit", () => this.#lost(new Error("the thread has ended")));
  }

  /** @throws what opening the file throws */
  static async start(
    settings: WriterSettings,
    onBroken: (error: MillraceError) => void,
  ): Promise<WriterLink> {
    // The package runs as .js, the checkout as .ts.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
    const url = new URL(`./queue-writer${extension}`, import.meta.url);
    const worker = new Worker(url, { workerData: settings, name: "queue writer" });
    const [message] = (await once(worker, "message")) as [WriterMessage];
    if (message.kind === "ready") {
      const link = new WriterLink(worker, onBroken);
      link.#ready = message.ready;
      return link;
    }
    await worker.terminate();
    throw message.kind === "answer" ? new Error("unexpected answer") : errorOf(message.failure);
  }

  get ready(): WriterReady {
    return this.#ready;
  }

  /** Set once the writer has stopped for good. */
  get broken(): MillraceError | undefined {
    return this.#broken;
  }

  request<Request extends WriterRequest>(
    request: Request,
  ): Promise<WriterAnswers[Request["kind"]]> {
    const { promise, resolve, reject } = Promise.withResolvers<WriterAnswers[Request["kind"]]>();
    if (this.#ended) reject(gone("nothing was stored", "MR_QUEUE_UNAVAILABLE"));
    else {
      this.#waiting.push({ kind: request.kind, resolve: resolve as Waiting["resolve"], reject });
      this.#worker.postMessage(request);
    }
    return promise;
  }

  /** Lets the thread answer what it was asked, then ends it. */
  async close(): Promise<void> {
    if (!this.#ended) await this.request({ kind: "close" }).catch(() => {});
    this.#ended = true;
    await this.#worker.terminate();
  }

  #take(message: WriterMessage): void {
    if (message.kind === "answer") this.#waiting.shift()?.resolve(message.answer);
    if (message.kind === "refusal") this.#waiting.shift()?.reject(errorOf(message.failure));
    if (message.kind === "broken") this.#break(errorOf(message.failure));
  }

  /** The thread died: what it was asked to append may or may not be on the disk. */
  #lost(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const why = asError(cause).message;
    for (const { kind, reject } of this.#waiting.splice(0)) {
      reject(gone(why, kind === "append" ? "MR_RESULT_UNKNOWN" : "MR_QUEUE_UNAVAILABLE", cause));
    }
    this.#break(gone(why, "MR_QUEUE_UNAVAILABLE", cause));
  }

  #break(error: MillraceError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#onBroken(error);
  }
}

const gone = (
  why: string,
  code: "MR_RESULT_UNKNOWN" | "MR_QUEUE_UNAVAILABLE",
  cause?: unknown,
): MillraceError =>
  new MillraceError(code, `The queue's writer is gone: ${why}.`, {
    cause,
    remedy: "The process must be restarted. The same ids are safe to send again.",
    retryAfterSeconds: 1,
  });
