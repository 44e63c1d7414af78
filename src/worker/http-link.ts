import { type Address, formatAddress } from "../lib/address.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { isMillraceError, MillraceError } from "../lib/errors.ts";
import { followAddresses } from "../lib/follow-addresses.ts";
import type { Question } from "../lib/wire/messages.ts";
import { InstanceLink } from "./instance-link.ts";
import { formatPlace, type Progress, type Standing, type WorkerLink } from "./link.ts";

export interface HttpWorkerLink extends WorkerLink {
  close(): Promise<void>;
}

export interface HttpLinkOptions {
  readonly clock?: Clock;
  /** What the instances want to be shown, where they are on other hosts. */
  readonly token?: string | undefined;
  /** All addresses of a name. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

/**
 * Reaches a worker's instances over HTTP, in turn; one that does not answer is passed by. Any
 * instance can answer anything, since all read one database. Behind a name there may be several,
 * which come and go.
 */
export function createHttpWorkerLink(
  name: string,
  addresses: readonly Address[],
  options: HttpLinkOptions = {},
): HttpWorkerLink {
  const instances = followInstances(addresses, options);

  const send = async (question: Question, signal?: AbortSignal) => {
    if (!instances.areKnown) await instances.ready;
    let failure: unknown;
    for (const instance of instances.inTurn()) {
      try {
        return await instance.ask(question, signal);
      } catch (thrown) {
        if (isMillraceError(thrown) && !isPassedBy(thrown)) throw thrown;
        if (signal?.aborted) throw thrown;
        failure = thrown;
      }
    }
    throw new MillraceError("MR_WORKER_UNAVAILABLE", `No instance of ${name} answers.`, {
      cause: failure,
      retryAfterSeconds: 1,
    });
  };

  return {
    name,
    query(query, search, after, signal) {
      const url = `/queries/${encodeURIComponent(query)}${search === "" ? "" : `?${search}`}`;
      if (after.length === 0) return send({ method: "GET", url }, signal);
      return send({ method: "GET", url, after: after.map(formatPlace).join(",") }, signal);
    },
    async standing({ partition, position }, waitMs, signal): Promise<Standing> {
      const url = `/standing/${partition}/${position}?waitMs=${waitMs}`;
      return JSON.parse(await send({ method: "GET", url }, signal));
    },
    async cancel({ id, source }, place, signal): Promise<boolean> {
      const parameters = new URLSearchParams({ id });
      if (source !== undefined) parameters.set("source", source);
      if (place !== undefined) parameters.set("place", formatPlace(place));
      return JSON.parse(await send({ method: "POST", url: `/cancel?${parameters}` }, signal));
    },
    async progress(signal): Promise<Progress> {
      return JSON.parse(await send({ method: "GET", url: "/progress" }, signal));
    },
    close: () => instances.close(),
  };
}

function followInstances(
  addresses: readonly Address[],
  { clock = systemClock, token, ...options }: HttpLinkOptions,
) {
  let instances = new Map<string, InstanceLink>();
  let turn = 0;
  const following = followAddresses(addresses, {
    ...options,
    clock,
    changed(found) {
      const before = instances;
      instances = new Map(
        found.map((address) => {
          const text = formatAddress(address);
          return [text, before.get(text) ?? new InstanceLink(address, { clock, token })];
        }),
      );
      for (const [text, instance] of before) if (!instances.has(text)) void instance.close();
    },
  });
  return {
    ready: following.ready,
    get areKnown(): boolean {
      return instances.size > 0;
    },
    /** Those to try, one after another: each begins as often, and doubtful ones come last. */
    inTurn(): InstanceLink[] {
      const reachable = [...instances.values()].filter(({ isReachable }) => isReachable);
      const first = turn++ % Math.max(1, reachable.length);
      const rotated = [...reachable.slice(first), ...reachable.slice(0, first)];
      return rotated.sort((one, other) => Number(one.isDoubtful) - Number(other.isDoubtful));
    },
    async close() {
      following[Symbol.dispose]();
      await Promise.all([...instances.values()].map((instance) => instance.close()));
    },
  };
}

/** It is stopping, or is none of ours: another instance may do. */
const isPassedBy = ({ code }: MillraceError): boolean =>
  code === "MR_DRAINING" || code === "MR_PEER_UNKNOWN";
