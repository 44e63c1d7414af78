import { jetstreamManager } from "@nats-io/jetstream";
import { limits } from "../../lib/limits.ts";
import { parseNatsAddress } from "./address.ts";
import { toMillraceError } from "./failures.ts";
import { connectTo } from "./opening.ts";
import { infoOf } from "./stream.ts";

/** Removes the queue that an address names, with all that is in it. */
export async function removeNatsQueue(url: string): Promise<void> {
  const address = parseNatsAddress(url);
  const nc = await connectTo(address);
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: limits.natsRequestMs });
    if ((await infoOf(jsm, address.stream)) !== undefined) await jsm.streams.delete(address.stream);
  } catch (error) {
    throw toMillraceError(error, "none");
  } finally {
    await nc.close();
  }
}
