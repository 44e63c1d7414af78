import type { Socket } from "node:net";
import type { NatsConnection } from "@nats-io/transport-node";

/**
 * Leaves a server that neither answers nor closes its connection. The client finds it out by its
 * silence, and then waits until what it has written is taken before it turns to another server
 * (`NodeTransport._closed`, 3.4.0). Where the buffers of the connection are full, that is for as
 * long as the system repeats what nobody takes: a quarter of an hour.
 */
export async function leaveSilent(nc: NatsConnection): Promise<void> {
  for await (const { type } of nc.status()) {
    if (type === "staleConnection") socketOf(nc)?.destroy();
  }
}

/** The client has no name for it to the outside. */
function socketOf(nc: NatsConnection): Socket | undefined {
  const { protocol } = nc as { readonly protocol?: { readonly transport?: { socket?: Socket } } };
  return protocol?.transport?.socket;
}
