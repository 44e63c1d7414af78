/** What the balancer's tests share: small real gateways, a balancer before them, raw sockets. */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import {
  type Balancer,
  type BalancerOptions,
  createBalancer,
} from "../../src/balancer/balancer.ts";
import type { GatewayAddress } from "../../src/balancer/gateways.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";

/** Waits until something holds; the test's own time limit ends it where it never does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Waits until a number that grows has stopped growing: every buffer on the way is full. */
export async function untilStill(grown: () => number): Promise<void> {
  let before = 0;
  await until(async () => {
    const isStill = before > 0 && grown() === before;
    before = grown();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isStill;
  });
}

export interface TestGateway extends GatewayAddress, AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  readonly server: Server;
  /** Requests that arrived, probes left out. */
  readonly seen: IncomingMessage[];
  /** What `/readyz` answers. */
  readiness: number;
}

/** A small real gateway in this process. */
export async function startGateway(
  name: string,
  handle: RequestListener,
  port = 0,
): Promise<TestGateway> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/readyz") return void response.writeHead(gateway.readiness).end();
    seen.push(request);
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const gateway: TestGateway = {
    name,
    address: { host: "127.0.0.1", port: (server.address() as AddressInfo).port },
    server,
    seen,
    readiness: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return gateway;
}

export interface TestBalancer {
  readonly balancer: Balancer;
  readonly port: number;
}

export async function startBalancer(
  gateways: readonly GatewayAddress[],
  options: Partial<BalancerOptions> = {},
): Promise<TestBalancer & AsyncDisposable> {
  const balancer = createBalancer({
    listen: { host: "127.0.0.1", port: 0 },
    gateways,
    tracing: noTracing,
    ...options,
    limits: {
      probeIntervalMs: 20,
      ejectionMs: 50,
      timeoutCheckMs: 20,
      lingerMs: 50,
      ...options.limits,
    },
  });
  await balancer.start();
  const { address } = balancer;
  if (!("port" in address)) throw new Error("the balancer has no port");
  return { balancer, port: address.port, [Symbol.asyncDispose]: () => balancer.stop() };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** One request on a connection of its own; rejects where the connection breaks. */
export function send(port: number, sent: Sent = {}): Promise<Answer> {
  const { method = "GET", path = "/", headers = {}, body } = sent;
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: "127.0.0.1", method, path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject).on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    request.on("error", reject).end(body);
  });
}

/** A raw connection, with all that came back on it so far. */
export interface RawConnection {
  readonly socket: Socket;
  readonly text: () => string;
  readonly isClosed: () => boolean;
  readonly closed: Promise<void>;
}

export function openRaw(port: number): RawConnection {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let isClosed = false;
  socket.setEncoding("latin1").on("data", (chunk) => {
    text += chunk;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      isClosed = true;
      resolve();
    });
  });
  return { socket, text: () => text, isClosed: () => isClosed, closed };
}

/** Sends bytes and returns all that comes back until the connection is closed. */
export async function exchangeRaw(port: number, bytes: string): Promise<string> {
  const raw = openRaw(port);
  raw.socket.write(bytes, "latin1");
  await raw.closed;
  return raw.text();
}
