import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { assert } from "../../lib/errors.ts";

/**
 * A stretch of network between two servers, for a drill to cut: a port that passes everything on to
 * another one, as long as it is not cut.
 */
export class Route implements AsyncDisposable {
  readonly #to: number;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #isCut = false;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer((socket) => this.#pass(socket));
  }

  static async open(to: number): Promise<Route> {
    const route = new Route(to);
    route.#server.listen(0, "127.0.0.1");
    await once(route.#server, "listening");
    return route;
  }

  get port(): number {
    const address = this.#server.address();
    assert(typeof address === "object" && address !== null, "a route listens on a port");
    return address.port;
  }

  /** Breaks what passes now, and lets nothing pass any more. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #pass(inbound: Socket): void {
    if (this.#isCut) {
      inbound.destroy();
      return;
    }
    const outbound = connect(this.#to, "127.0.0.1");
    for (const [socket, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
