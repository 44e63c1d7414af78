import { visit } from "./opening.ts";
import { infoOf } from "./stream.ts";

/** Removes the queue that an address names, with all that is in it. */
export const removeNatsQueue = (url: string): Promise<void> =>
  visit(url, async ({ address: { stream }, jsm }) => {
    if ((await infoOf(jsm, stream)) !== undefined) await jsm.streams.delete(stream);
  });
