import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  connect,
  errors,
  type NatsConnection,
} from "@nats-io/transport-node";
import { certificateFault } from "../../lib/certificate-faults.ts";
import type { Clock } from "../../lib/clock.ts";
import { asError, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { connectionOptions, type NatsAddress, parseNatsAddress } from "./address.ts";
import { failureOf, toMillraceError, unavailable } from "./failures.ts";
import { leaveSilent } from "./silence.ts";
import { isNameTaken, type OpenedStream, openStream } from "./stream.ts";
import { isTooOld, neededVersion } from "./versions.ts";

/** @throws MR_QUEUE_UNAVAILABLE, MR_CONFIG_INVALID */
export async function connectTo(address: NatsAddress): Promise<NatsConnection> {
  const options = await connectionOptions(address);
  try {
    const nc = await connectInTime(options);
    void leaveSilent(nc);
    return nc;
  } catch (error) {
    const refused = toMillraceError(error, "none");
    if (refused.code !== "MR_QUEUE_UNAVAILABLE") throw refused;
    const hosts = address.servers.join(", ");
    const fault = certificateFault(error);
    if (fault !== undefined) throw untrusted(hosts, fault, error);
    throw unavailable(
      `No NATS server can be reached at ${hosts}: ${asError(error).message}.`,
      error,
    );
  }
}

/** Who asks the servers of an address something, and leaves. */
interface Visit {
  readonly address: NatsAddress;
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
}

/** @throws MR_QUEUE_UNAVAILABLE, MR_CONFIG_INVALID, and what `ask` does, in the port's words */
export async function visit<Result>(
  url: string,
  ask: (visit: Visit) => Promise<Result>,
): Promise<Result> {
  const address = parseNatsAddress(url);
  const nc = await connectTo(address);
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: limits.natsRequestMs });
    return await ask({ address, nc, jsm });
  } catch (error) {
    throw toMillraceError(error, "none");
  } finally {
    await nc.close();
  }
}

/**
 * A machine that is busy, as while all boxes start, may take longer than a connection is given: who
 * does not answer in time is asked again, and only who refuses is not.
 */
async function connectInTime(options: ConnectionOptions): Promise<NatsConnection> {
  for (let tries = 1; ; tries++) {
    try {
      return await connect(options);
    } catch (error) {
      if (tries === limits.natsConnectTriesMax || !(error instanceof errors.TimeoutError))
        throw error;
    }
  }
}

const untrusted = (hosts: string, fault: string, cause: unknown): MillraceError =>
  new MillraceError("MR_CONFIG_INVALID", `The certificate of ${hosts} is not good: ${fault}.`, {
    cause,
    remedy: "Name the authority that signed it:  ?ca=FILE  and the servers as it names them.",
  });

export function refuseOldServer(nc: NatsConnection): void {
  const version = nc.info?.version ?? "";
  if (!isTooOld(version)) return;
  throw new MillraceError(
    "MR_QUEUE_UNAVAILABLE",
    `The NATS server is ${version}; Millrace needs ${neededVersion} or later.`,
    { remedy: "Upgrade every server of the cluster." },
  );
}

/**
 * A cluster that has just started has no leader for some seconds, and of the processes that start
 * together one makes the stream.
 */
export async function openWhenReady(
  jsm: JetStreamManager,
  { stream: name, replicas, bytesMax }: NatsAddress,
  partitions: number,
  identity: string,
  clock: Clock,
): Promise<OpenedStream> {
  const deadline = clock.monotonic() + limits.natsRetryMs;
  for (;;) {
    try {
      return await openStream(jsm, { name, replicas, partitions, bytesMax, identity });
    } catch (error) {
      const mayPass = failureOf(error) !== "final" || isNameTaken(error);
      if (!mayPass || clock.monotonic() > deadline) throw error;
      await clock.sleep(limits.natsReadRetryMs);
    }
  }
}
