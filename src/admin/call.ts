import type { IncomingMessage } from "node:http";
import type { Client } from "../gateway/auth/client.ts";

/** A request that was let in, read and found well-formed. */
export interface Call {
  /** The parts of the path that the route names, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Each at most once. */
  readonly query: ReadonlyMap<string, string>;
  /** The bytes of the body; none for GET. */
  readonly body: Buffer;
  /** Whether the client asks for lines of JSON. */
  readonly takesLines: boolean;
  readonly client: Client;
  /** Aborts when the client has gone, and when this process stops. */
  readonly signal: AbortSignal;
}

/** One JSON document, or one a line, made as they are taken. */
export type Answer =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "lines"; readonly values: AsyncIterable<unknown> };

/** Who has sent a request, for the audit. */
export const personOf = ({ id }: Client): string => `${id} (admin port)`;

export const json = (value: unknown): Answer => ({ kind: "json", value });

/** One address of the port. Everything but GET changes something. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT";
  /** `/dead-letters/:worker/:id` */
  readonly path: string;
  /**
   * Whose scope it takes is not in the address but in the body: the route checks it by itself.
   */
  readonly namesWorkerInBody?: true;
  run(call: Call): Promise<Answer>;
}

export const linesType = "application/x-ndjson";

export const pathOf = ({ url = "/" }: IncomingMessage): string => url.split("?", 1)[0] ?? "/";
