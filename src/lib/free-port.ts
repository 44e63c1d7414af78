import { once } from "node:events";
import { createServer } from "node:net";
import { assert } from "./errors.ts";

/**
 * A port of this machine that nobody listened on just now. What is begun again after a kill must
 * come back on the same one, so it cannot be left to the system each time.
 */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  assert(typeof address === "object" && address !== null, "a TCP server has a port");
  return address.port;
}
