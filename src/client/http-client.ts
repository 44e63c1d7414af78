import type {
  EventStatus,
  PublishOptions,
  QueryOptions,
  Receipt,
  Receipts,
  WaitOptions,
} from "./answers.ts";
import { ClientError, type Transport } from "./transport.ts";

/** A client that knows nothing of the system's types: `Client` in index.ts adds them. */
export class HttpClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  publish(type: string, data: unknown, options: PublishOptions = {}): Promise<Receipt> {
    const { id, source = "/client", waitSeconds } = options;
    const headers: Record<string, string> =
      waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` };
    // Only a CloudEvent brings an id of its own.
    if (id !== undefined) {
      const event = { specversion: "1.0", id, source, type, data };
      return this.#post("/events", "application/cloudevents+json", JSON.stringify(event), {
        ...options,
        headers,
      });
    }
    return this.#post(pathOf(type), "application/json", JSON.stringify(data), {
      ...options,
      headers,
    });
  }

  publishMany(
    type: string,
    data: Iterable<unknown>,
    options: PublishOptions = {},
  ): Promise<Receipts> {
    const lines = Array.from(data, (item) => `${JSON.stringify(item)}\n`);
    return this.#post(pathOf(type), "application/x-ndjson", lines.join(""), {
      ...options,
      headers: {},
    });
  }

  /** Every publish has a key, made once, so that a repeat after a broken connection is harmless. */
  #post<Answer>(
    path: string,
    contentType: string,
    body: string,
    { idempotencyKey = crypto.randomUUID(), headers, at, signal }: PostOptions,
  ): Promise<Answer> {
    return this.#transport.request<Answer>(path, {
      method: "POST",
      headers: {
        ...headers,
        "content-type": contentType,
        "idempotency-key": quote(idempotencyKey),
        ...(at === undefined ? {} : { "millrace-at": at.toISOString() }),
      },
      body,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async cancel(id: string, { source }: { source?: string } = {}): Promise<void> {
    await this.#transport.request(pathOf(id, source), { method: "DELETE" });
  }

  event(id: string, { source }: { source?: string } = {}): Promise<EventStatus> {
    return this.#transport.request(pathOf(id, source), {});
  }

  query(worker: string, name: string, input: object, options: QueryOptions = {}): Promise<unknown> {
    const { after, signal } = options;
    const receipts = after === undefined ? [] : [after].flat();
    const places = receipts.map(({ partition, position }) => `${partition}:${position}`);
    return this.#transport.request(`/${worker}/${name}${searchOf(input)}`, {
      headers: places.length === 0 ? {} : { "millrace-after": places.join(", ") },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async waitFor(
    event: string | { readonly id: string },
    { source, timeoutMs = 30_000, signal }: WaitOptions = {},
  ): Promise<EventStatus> {
    const id = typeof event === "string" ? event : event.id;
    const { now } = this.#transport;
    const deadline = now() + timeoutMs;
    for (;;) {
      const leftMs = Math.max(0, deadline - now());
      // The server holds the answer back, so this asks once where all goes well.
      const waitSeconds = Math.min(10, Math.ceil(leftMs / 1_000));
      const status = await this.#transport.request<EventStatus>(pathOf(id, source), {
        headers: { prefer: `wait=${waitSeconds}` },
        ...(signal === undefined ? {} : { signal }),
      });
      if (status.state === "done") return status;
      if (status.state === "dead") throw new ClientError("CLIENT_EVENT_DEAD", deadDetail(status));
      if (status.state === "cancelled") {
        throw new ClientError("CLIENT_EVENT_CANCELLED", "The event was cancelled.");
      }
      if (now() >= deadline) {
        throw new ClientError("CLIENT_TIMEOUT", `The event is not applied after ${timeoutMs} ms.`);
      }
      await this.#transport.pause(signal);
    }
  }
}

interface PostOptions extends PublishOptions {
  readonly headers: Readonly<Record<string, string>>;
}

/** Where an event of this id is found, or one of this type is published. */
function pathOf(name: string, source?: string): string {
  const search = source === undefined ? "" : `?source=${encodeURIComponent(source)}`;
  return `/events/${encodeURIComponent(name)}${search}`;
}

/** A structured field's string. */
const quote = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** Lists become repeated names; what is undefined is left out. */
function searchOf(input: object): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(input)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) search.append(name, String(item));
    }
  }
  return search.size === 0 ? "" : `?${search}`;
}

function deadDetail({ workers }: EventStatus): string {
  const [worker, standing] =
    Object.entries(workers).find(([, { state }]) => state === "dead") ?? [];
  return `${worker} gave up on the event: ${standing?.error ?? "it failed"}.`;
}
