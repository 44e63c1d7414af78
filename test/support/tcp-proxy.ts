/** A proxy between a client and a server: it can be slow, cut off, or let nobody in. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { systemClock } from "../../src/lib/clock.ts";

export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;
  #trap: { readonly bytes: Buffer; readonly sprung: () => void } | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** `delayMs` is what each byte takes, in either direction. */
  static async to(port: number, { delayMs = 0 } = {}): Promise<TcpProxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new TcpProxy(server, (server.address() as AddressInfo).port);
    server.on("connection", (inbound) => {
      if (!proxy.#isOpen) return void inbound.destroy();
      const outbound = connect(port, "127.0.0.1");
      inbound.on("data", (chunk) => proxy.#spring(chunk, inbound, outbound));
      proxy.#join(inbound, outbound, delayMs);
      proxy.#join(outbound, inbound, delayMs);
    });
    return proxy;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Breaks every connection off, as a network does that forgets them. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Breaks every connection off once a client has sent these bytes: the server still gets them, and
   * its answer reaches nobody. Resolves when that has happened.
   */
  async cutAfterNext(bytes: Buffer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#trap = { bytes, sprung: resolve };
    await promise;
  }

  /** Takes nothing more from any connection, and says nothing: they stay open, and fill up. */
  fallSilent(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /** Lets nobody in, or everybody again. */
  close(): void {
    this.#isOpen = false;
    this.cut();
  }
  open(): void {
    this.#isOpen = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    this.#server.close();
    await once(this.#server, "close");
  }

  #spring(chunk: Buffer, inbound: Socket, outbound: Socket): void {
    if (this.#trap === undefined || !chunk.includes(this.#trap.bytes)) return;
    const { sprung } = this.#trap;
    this.#trap = undefined;
    // The client's side at once, the server's when it has what was sent.
    inbound.removeAllListeners("data");
    outbound.removeAllListeners("data");
    outbound.end(chunk, () => {
      this.cut();
      sprung();
    });
  }

  #join(from: Socket, to: Socket, delayMs: number): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk) => {
      if (delayMs === 0) to.write(chunk);
      else systemClock.after(delayMs, () => to.write(chunk));
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
