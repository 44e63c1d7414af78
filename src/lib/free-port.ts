import { once } from "node:events";
import { createServer } from "node:net";
import { assert } from "./errors.ts";

/**
 * Ports of this machine that nobody listened on just now. What is begun again after a kill must
 * come back on the same one, so it cannot be left to the system each time. Who needs several asks
 * for them at once: the system may give the one that was just let go of to the next who asks.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    assert(typeof address === "object" && address !== null, "a TCP server has a port");
    return address.port;
  });
  for (const server of servers) server.close();
  await Promise.all(servers.map((server) => once(server, "close")));
  return ports;
}

export const freePort = async (): Promise<number> => (await freePorts(1))[0] ?? 0;
