import type { TraceContext } from "../tracing/tracing.ts";
import type { Client } from "./auth/client.ts";
import type { MediaType } from "./media-type.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set before any other hook runs; absent only where the address itself cannot be read. */
    call: Call;
  }
}

/** What the gateway knows of a request besides its bytes. */
export interface Call {
  /** On the monotonic clock: waiting preferences count from here. */
  readonly arrivedMs: number;
  /** The context of hop 2: the parent of what this request causes. */
  readonly trace: TraceContext;
  /** The client's address, as far as it can be trusted. Only a quota asks for it. */
  readonly address: () => string;
  /** The id that the balancer stamped on it, where it is the balancer that says so. */
  readonly stamp: string | undefined;
  client: Client;
  /** The one reading of Content-Type; it picks both parser and schema. */
  media: MediaType | undefined;
  /** The event of this request, where there is exactly one. */
  eventId: string | undefined;
  /** Where the client holds its body back until it is asked for. */
  readonly sayContinue: (() => void) | undefined;
}
