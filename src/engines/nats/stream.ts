import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StoredMsg,
  type StreamInfo,
} from "@nats-io/jetstream";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { Subjects } from "./subjects.ts";

/** What the queue's stream says of itself in its metadata. */
const keys = {
  format: "millrace-format",
  identity: "millrace-identity",
  partitions: "millrace-partitions",
  seal: "millrace-seal",
} as const;

const format = "1";

const notFound = 10059;
const nameTaken = 10058;

export interface NewStream {
  readonly name: string;
  readonly replicas: number;
  readonly partitions: number;
  readonly bytesMax: number;
  /** For one that is made now. */
  readonly identity: string;
}

/** The stream as it was found when the queue was opened. */
export interface OpenedStream {
  readonly name: string;
  readonly replicas: number;
  readonly partitions: number;
  readonly identity: string;
  readonly seal: string | undefined;
  readonly subjects: Subjects;
}

/**
 * Opens the stream, or makes it. One that is there stays as it is.
 *
 * @throws MR_QUEUE_IDENTITY where it is not a queue of Millrace's
 */
export async function openStream(jsm: JetStreamManager, plan: NewStream): Promise<OpenedStream> {
  const found = await infoOf(jsm, plan.name);
  return openedStream(found ?? (await addStream(jsm, plan)));
}

export async function infoOf(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === notFound) return undefined;
    throw error;
  }
}

/** A stream that another process makes at this moment has its name before it can be asked for. */
export const isNameTaken = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === nameTaken;

async function addStream(jsm: JetStreamManager, plan: NewStream): Promise<StreamInfo> {
  const subjects = new Subjects(plan.name, plan.identity);
  try {
    return await jsm.streams.add({
      name: plan.name,
      subjects: [subjects.all],
      num_replicas: plan.replicas,
      // Nothing leaves by itself: what every worker has applied is trimmed, and what has no room is
      // refused. Work-queue retention deletes on an acknowledgement, and `discard: old` drops what
      // was accepted.
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      max_age: 0,
      max_bytes: plan.bytesMax,
      // Single messages are never deleted; whole partitions are trimmed by purging.
      deny_delete: true,
      allow_atomic: true,
      allow_msg_ttl: true,
      metadata: {
        [keys.format]: format,
        [keys.identity]: plan.identity,
        [keys.partitions]: String(plan.partitions),
      },
    });
  } catch (error) {
    if (hasNoStorage(error)) throw noStorage(plan, error);
    // Another process was faster: its stream is the queue.
    const found = isNameTaken(error) ? await infoOf(jsm, plan.name) : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

/** Told by words: the code of several servers stands for others that are offline, too. */
const hasNoStorage = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  /insufficient storage/.test(error.message) &&
  !/offline/.test(error.message);

const noStorage = ({ bytesMax }: NewStream, cause: unknown): MillraceError =>
  new MillraceError(
    "MR_QUEUE_FULL",
    `The NATS servers have less storage left than the ${bytesMax} bytes that the stream reserves.`,
    {
      cause,
      remedy:
        "Let it reserve less:  MILLRACE_QUEUE=nats://…&bytes=…  or raise their max_file_store.",
    },
  );

/**
 * What was given to the stream when it was made, and when that was: a stream that somebody made
 * again with the same settings is another one.
 */
export const identityOf = ({ config, created }: StreamInfo): string =>
  `${config.metadata?.[keys.identity]}@${created}`;

function openedStream(info: StreamInfo): OpenedStream {
  const { metadata = {}, name, num_replicas: replicas } = info.config;
  const identity = metadata[keys.identity];
  const partitions = Number(metadata[keys.partitions]);
  if (identity === undefined || !Number.isSafeInteger(partitions)) {
    throw new MillraceError("MR_QUEUE_IDENTITY", `The stream ${name} was not made by Millrace.`, {
      remedy: "Name another one:  MILLRACE_QUEUE=nats://…?stream=NAME",
    });
  }
  if (metadata[keys.format] !== format) {
    throw new MillraceError(
      "MR_DATA_NEWER",
      `The stream ${name} has the format ${metadata[keys.format]}; this version knows ${format}.`,
      { remedy: "Use the version of Millrace that made it, or a later one." },
    );
  }
  const subjects = new Subjects(name, identity);
  const seal = metadata[keys.seal];
  return { name, replicas, partitions, identity: identityOf(info), seal, subjects };
}

/** What is said of a stream in its metadata can change; the data are not touched. */
export async function writeSeal(
  jsm: JetStreamManager,
  name: string,
  seal: string | undefined,
): Promise<void> {
  const { config } = await jsm.streams.info(name);
  const { [keys.seal]: _, ...metadata } = config.metadata ?? {};
  await jsm.streams.update(name, {
    ...config,
    metadata: seal === undefined ? metadata : { ...metadata, [keys.seal]: seal },
  });
}

/**
 * For how long after it was asked nobody can lead the stream but the server that answered: the
 * others elect another once they have heard nothing of it for a while. One that was cut off from
 * them goes on answering from what it has; of it this is 0.
 *
 * So it is where `asked`, the server that the client is connected to, has not caught up with the
 * leader: healed, it knows of no leader for a moment, and answers reads by itself meanwhile.
 */
export function leadsForMs({ cluster, config }: StreamInfo, asked: string | undefined): number {
  if (config.num_replicas === 1) return Number.POSITIVE_INFINITY;
  const replicas = cluster?.replicas ?? [];
  const isBehind = replicas.some(({ name, current }) => name === asked && !current);
  if (cluster?.leader === undefined || isBehind) return 0;
  const heardMs = replicas
    .map(({ active, current }) => (active > 0 || current ? active / 1e6 : limits.natsElectionMs))
    .toSorted((one, other) => one - other);
  // With so many others it is a majority.
  const others = Math.floor(config.num_replicas / 2);
  return Math.max(0, limits.natsElectionMs - (heardMs[others - 1] ?? limits.natsElectionMs));
}

/**
 * What must be true of a stream for the promises to hold; a sentence for each that is not.
 */
export function streamFaults({ config }: StreamInfo): string[] {
  const wanted: readonly (readonly [string, unknown, unknown])[] = [
    ["retention", config.retention, RetentionPolicy.Limits],
    ["discard", config.discard, DiscardPolicy.New],
    ["storage", config.storage, StorageType.File],
    ["max_age", config.max_age ?? 0, 0],
    ["max_msgs", config.max_msgs ?? -1, -1],
    ["max_msgs_per_subject", config.max_msgs_per_subject ?? -1, -1],
    ["allow_atomic", config.allow_atomic ?? false, true],
    ["allow_msg_ttl", config.allow_msg_ttl ?? false, true],
  ];
  return wanted
    .filter(([, is, should]) => is !== should)
    .map(([name, is, should]) => `${name} is ${is}, not ${should}`);
}

export const identityChanged = (name: string): MillraceError =>
  new MillraceError(
    "MR_QUEUE_IDENTITY",
    `The stream ${name} is not the one that was opened: it was removed, or made anew.`,
    { remedy: "Restore the stream's data, then start again." },
  );

/** Requests to the stream's leader, which alone knows all that was acknowledged. */
export class StreamReads {
  readonly #jsm: JetStreamManager;
  readonly #stream: string;

  constructor(jsm: JetStreamManager, stream: string) {
    this.#jsm = jsm;
    this.#stream = stream;
  }

  /** The newest message of a subject; wildcards are fine. */
  last(subject: string): Promise<StoredMsg | null> {
    return this.#jsm.streams.getMessage(this.#stream, { last_by_subj: subject });
  }

  /** The first message of a subject at a sequence or behind it. */
  next(subject: string, sequence: number): Promise<StoredMsg | null> {
    const query = { seq: Math.max(1, sequence), next_by_subj: subject };
    return this.#jsm.streams.getMessage(this.#stream, query as never);
  }
}

/** The server's time of a message, in whole milliseconds; the same however it was read. */
export const acceptedAtOf = (message: StoredMsg): number => Date.parse(message.timestamp);
