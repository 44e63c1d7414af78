import type { Server } from "node:net";
import { type Address, formatAddress, listenOptions } from "./address.ts";
import { MillraceError } from "./errors.ts";
import { portHolder } from "./port-holder.ts";

/**
 * Starts a server at an address. `variable` is the setting that moves it elsewhere.
 *
 * @returns the address at which it listens: with port 0 the system chose one
 * @throws MR_PORT_TAKEN naming the process that has the port, where that can be known
 */
export async function listen(server: Server, address: Address, variable: string): Promise<Address> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(listenOptions(address), () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw code === "EADDRINUSE" ? await portTaken(address, variable, cause) : cause;
  }
  const bound = server.address();
  if (bound === null || typeof bound === "string") return address;
  return { host: bound.address, port: bound.port };
}

async function portTaken(
  address: Address,
  variable: string,
  cause: unknown,
): Promise<MillraceError> {
  const holder = "port" in address ? await portHolder(address.port) : undefined;
  const by = holder === undefined ? "" : ` by process ${holder.pid} (${holder.command})`;
  return new MillraceError("MR_PORT_TAKEN", `${formatAddress(address)} is taken${by}.`, {
    cause,
    remedy: `Stop that process, or set ${variable} to a free port.`,
  });
}
