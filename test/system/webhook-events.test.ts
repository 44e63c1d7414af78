/**
 * What a webhook makes is known to the system without being accepted from anybody: so an
 * application can take an event only with the sender's signature.
 */
import {
  defineDatabase,
  defineEvent,
  defineSystem,
  defineWorker,
  on,
  webhook,
  webhookEvent,
} from "millrace";
import { expect, it } from "vitest";
import { z } from "zod";

const ParcelArrived = defineEvent("parcel.arrived", {
  data: z.object({ parcel: z.string() }),
  key: ({ parcel }) => parcel,
});
const worker = defineWorker("parcels", defineDatabase({ migrations: {} }), {
  handlers: [on(ParcelArrived, async () => {})],
});
const hook = (events?: [typeof ParcelArrived]) =>
  webhook({
    path: "/hooks/parcels",
    ...(events && { events }),
    verify: () => true,
    toEvent: () => webhookEvent(ParcelArrived, { parcel: "1" }),
  });

it("knows the events of a webhook, and accepts them from nobody else", () => {
  const system = defineSystem("post", {
    accepts: [],
    workers: [worker],
    webhooks: [hook([ParcelArrived])],
  });
  expect([...system.events.keys()]).toEqual(["parcel.arrived"]);
  expect(system.accepts).toEqual([]);
});

it("finds a handler for an event that nothing makes", () => {
  const define = () => defineSystem("post", { accepts: [], workers: [worker], webhooks: [hook()] });
  expect(define).toThrow(/handles "parcel.arrived", which nothing accepts or emits/);
});
