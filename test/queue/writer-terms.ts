import type { AppendRequest } from "../../src/queue/engine.ts";

/** What tests and their writer processes have in common. */

export const request = (id: string, partition = 0, data = "{}"): AppendRequest => ({
  partition,
  event: {
    id,
    source: "/test/gateway",
    type: "thing.happened",
    key: `key ${partition}`,
    time: "2026-01-01T00:00:00Z",
    data,
    attributes: {},
  },
});

/** What a writer process tells, a line of JSON each. */
export interface WriterLine {
  /** The ids and positions of one acknowledged append. */
  readonly acknowledged?: readonly (readonly [id: string, partition: number, position: number])[];
  readonly refused?: string;
  readonly fatal?: string;
}

export interface WriterOptions {
  readonly folder: string;
  /** Stands before the ids. */
  readonly name: string;
  /** Appends to make; without end where absent. */
  readonly appends?: number;
  readonly eventsMax?: number;
  readonly dataBytes?: number;
  /** How much of the disk must be free; the engine's own limit where absent. */
  readonly diskLowBytes?: number;
  /** No file of the process may grow beyond this. */
  readonly fileKibibytesMax?: number;
}
