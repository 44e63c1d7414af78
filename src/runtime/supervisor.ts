import { type Clock, settledWithin } from "../lib/clock.ts";
import { keepAlive } from "../lib/keep-alive.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { boxModule } from "./box-module.ts";
import { Child, type ChildState } from "./child.ts";
import type { Assignment, FromBox } from "./messages.ts";
import type { BoxPlan } from "./topology.ts";

export interface SupervisorOptions {
  readonly plans: readonly BoxPlan[];
  /** What every box is told besides its plan. */
  readonly assignment: Omit<Assignment, "plan">;
  readonly clock: Clock;
  readonly log: Log;
  /** The file that each process runs; the tests put their own there. */
  readonly module?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Takes what the boxes write, which else goes where our output goes. */
  readonly onOutput?: (text: string) => void;
}

export interface BoxStatus {
  readonly name: string;
  readonly kind: BoxPlan["kind"];
  readonly state: ChildState;
  readonly pid: number | undefined;
  readonly restarts: number;
}

/**
 * Runs the boxes as processes. All load their code at once; all begin at once but the
 * balancer when the first gateway can answer, so that nobody is let in before. They stop from the
 * outside in: balancer and admin port first, so that nothing new comes, then the gateways, then the
 * workers.
 */
export class Supervisor implements Service {
  readonly #options: SupervisorOptions;
  readonly #children: readonly { readonly plan: BoxPlan; readonly child: Child }[];
  readonly #gatewayChanges = new Map<string, () => void>();
  #port: number | undefined;
  #adminPort: number | undefined;
  #alive: Disposable | undefined;
  #rolling: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#children = options.plans.map((plan) => ({ plan, child: this.#childFor(plan) }));
  }

  /** The port that the balancer listens on; undefined where none runs here. */
  get port(): number | undefined {
    return this.#port;
  }

  /** The admin port; undefined where it does not run here. */
  get adminPort(): number | undefined {
    return this.#adminPort;
  }

  /** Told to stop, whether or not it has come to that. */
  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  snapshot(): readonly BoxStatus[] {
    return this.#children.map(({ plan, child }) => ({
      name: child.name,
      kind: plan.kind,
      state: child.state,
      pid: child.pid,
      restarts: child.restarts,
    }));
  }

  /**
   * Resolves when every box is ready.
   *
   * @throws the error of the first box that cannot start; all others are stopped again
   */
  async start(): Promise<void> {
    this.#alive = keepAlive();
    for (const { child } of this.#children) child.launch();
    const gateways = this.#ofKind("gateway").map((child) => child.start());
    const rest = [...this.#ofKind("worker"), ...this.#ofKind("admin")];
    const inside = rest.map((child) => child.start());
    const balancer = this.#startBalancer(gateways);
    using _patience = this.#options.clock.after(limits.startTimeoutMs, () => this.#tellUnready());
    try {
      await Promise.all([...gateways, ...inside, balancer]);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #startBalancer(gateways: readonly Promise<void>[]): Promise<void> {
    if (gateways.length > 0) await Promise.any(gateways).catch(() => {});
    await Promise.all(this.#ofKind("balancer").map((child) => child.start()));
  }

  /** A long migration is a good reason to wait on, so this is told and not acted on. */
  #tellUnready(): void {
    const boxes = this.snapshot().filter(({ state }) => state !== "running");
    const names = boxes.map(({ name }) => name).join(", ");
    this.#options.log.warn({ boxes }, `still waiting for ${names}`);
  }

  /** Renews the gateways one after another; the balancer sends each nothing while it is renewed. */
  async rollGateways(): Promise<void> {
    await this.#inTurn(async () => {
      for (const gateway of this.#ofKind("gateway")) {
        if (this.#stopping === undefined) await this.#renewGateway(gateway);
      }
    });
  }

  /** One renewal at a time: there is always somebody who serves. */
  async #inTurn(renewal: () => Promise<void>): Promise<void> {
    this.#rolling = this.#rolling.then(async () => {
      if (this.#stopping === undefined) await renewal();
    });
    await this.#rolling;
  }

  async #renewGateway(gateway: Child): Promise<void> {
    await this.#steer(gateway.name, false);
    await this.#renewBox(gateway);
    await this.#steer(gateway.name, true);
  }

  async #renewBox(box: Child): Promise<void> {
    await box.renew();
    this.#options.log.info({ child: box.name, childPid: box.pid }, `${box.name} was renewed`);
  }

  /**
   * Tells the balancer and waits for its answer, or for the time in which one was to be expected.
   */
  async #steer(name: string, serving: boolean): Promise<void> {
    const [balancer] = this.#ofKind("balancer");
    if (balancer?.state !== "running") return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gatewayChanges.set(`${name} ${serving}`, resolve);
    balancer.send({ kind: "gateway", name, serving });
    const drainMs = this.#options.assignment.config.drainMs;
    await settledWithin(this.#options.clock, drainMs + limits.killAfterMs, promise);
    this.#gatewayChanges.delete(`${name} ${serving}`);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  async #stopInOrder(): Promise<void> {
    for (const kinds of [["balancer", "admin"], ["gateway"], ["worker"]] as const) {
      await Promise.all(kinds.flatMap((kind) => this.#ofKind(kind)).map((child) => child.stop()));
    }
    this.#alive?.[Symbol.dispose]();
  }

  /** Ends every process at once. Safe: what was accepted is durable. */
  kill(): void {
    for (const { child } of this.#children) child.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #ofKind(kind: BoxPlan["kind"]): Child[] {
    return this.#children.filter(({ plan }) => plan.kind === kind).map(({ child }) => child);
  }

  #childFor(plan: BoxPlan): Child {
    const { assignment, clock, log, module = boxModule, environment, onOutput } = this.#options;
    return new Child({
      name: plan.name,
      module,
      parameters: [plan.kind, plan.name, String(assignment.config.drainMs)],
      begin: { kind: "begin", assignment: { ...assignment, plan } },
      stopMs: assignment.config.drainMs + limits.killAfterMs,
      aliveTimeoutMs: assignment.config.hangMs,
      clock,
      log,
      onMessage: (message) => this.#hear(message, plan),
      ...(environment === undefined ? {} : { environment }),
      ...(onOutput === undefined ? {} : { onOutput }),
    });
  }

  #hear(message: FromBox, from: BoxPlan): void {
    if (message.kind === "ready" && message.port !== undefined) this.#port = message.port;
    if (message.kind === "ready" && message.adminPort !== undefined)
      this.#adminPort = message.adminPort;
    if (message.kind === "terminated") this.#renewUnlessStopping(from);
    if (message.kind !== "gateway") return;
    this.#gatewayChanges.get(`${message.name} ${message.serving}`)?.();
  }

  /**
   * SIGTERM for one box means that somebody wants it begun anew. Where it was for all of them, ours
   * may still be on its way; then each stops in its turn.
   */
  #renewUnlessStopping({ name }: BoxPlan): void {
    this.#options.clock.after(limits.groupSignalMs, () => {
      const box = this.#children.find(({ child }) => child.name === name);
      if (this.#stopping !== undefined || box === undefined) return;
      void this.#inTurn(() =>
        box.plan.kind === "gateway" ? this.#renewGateway(box.child) : this.#renewBox(box.child),
      );
    });
  }
}
