import { type IpcNetConnectOpts, isIP, type TcpNetConnectOpts } from "node:net";

/** Where a box listens or is reached: a Unix socket on one machine, TCP across machines. */
export type Address =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** An address on the network. */
export type HostAddress = Extract<Address, { readonly host: string }>;

/** For logs and messages: `unix:/run/gateway-1.sock`, `127.0.0.1:8080`, `[::1]:8080`. */
export function formatAddress(address: Address): string {
  if ("socketPath" in address) return `unix:${address.socketPath}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** The same address as `net.connect` takes it. */
export const connectOptions = (address: Address): TcpNetConnectOpts | IpcNetConnectOpts =>
  "socketPath" in address
    ? { path: address.socketPath }
    : { host: address.host, port: address.port, noDelay: true };

/** The same address as `server.listen` takes it. */
export const listenOptions = (
  address: Address,
): { path: string } | { host: string; port: number } =>
  "socketPath" in address
    ? { path: address.socketPath }
    : { host: address.host, port: address.port };

/** `http://10.0.0.2:8081`, with brackets where the address is IPv6. */
export const originOf = (address: HostAddress): string => `http://${formatAddress(address)}`;

/** Whether only this machine can connect there. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (isIP(plain) === 4) return plain.startsWith("127.");
  return plain === "localhost" || plain === "::1";
}
