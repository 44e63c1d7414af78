/**
 * One event as it travels and is stored: the attributes of a CloudEvent 1.0 and its data as JSON
 * text, which is parsed once, where the event is handled.
 */
export interface EventRecord {
  /** UUIDv7 unless the client gave one. `source` and `id` together identify an event. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** Events with an equal key are handled in the order in which they were accepted. */
  readonly key: string;
  /** When it happened, RFC 3339. */
  readonly time: string;
  /** JSON text. */
  readonly data: string;
  readonly attributes: EventAttributes;
}

/** What an event may carry besides; absent members are not stored. */
export interface EventAttributes {
  /** W3C trace context in which the event was created. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly subject?: string;
  readonly dataschema?: string;
  /** The version of the data; absent means 1. */
  readonly version?: number;
  /** Not before this time, RFC 3339, is it delivered to its handlers. */
  readonly at?: string;
  /** The id of the event whose handler emitted this one. */
  readonly cause?: string;
  /** How many events stand between this one and the request that began it; absent means 0. */
  readonly depth?: number;
  /** CloudEvents extensions of the client's own. */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>;
}

/** A handler's view of an event: its record with the data parsed and checked. */
export interface HandledEvent<Type extends string = string, Data = unknown> {
  readonly id: string;
  readonly source: string;
  readonly type: Type;
  readonly key: string;
  readonly time: Date;
  readonly data: Data;
  readonly attributes: EventAttributes;
  readonly partition: number;
  readonly position: number;
  /** 1 at the first try. */
  readonly attempt: number;
}
