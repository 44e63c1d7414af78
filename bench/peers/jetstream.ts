import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { server } from "./packages.ts";

const connection = await connect({ servers: server.split(",") });

export const stream = "NOTES";
export const js = jetstream(connection);
export const manager = await jetstreamManager(connection);
