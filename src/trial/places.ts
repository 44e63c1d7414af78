import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { withoutPassword } from "../lib/text.ts";
import { isNats, isPostgres, loadNats, loadPostgres, loadRedis } from "../runtime/engines.ts";

/** The engines that an application is tried on; those left out are the embedded ones. */
export interface ChosenEngines {
  readonly queue?: string;
  readonly database?: string;
  readonly cache?: string;
}

/**
 * Where a trial keeps its data on servers, which others may be using: a stream, schemas and keys
 * whose names nobody else has, and which are removed after it.
 */
export interface Places {
  /** The variables that choose the engines. */
  readonly environment: Readonly<Record<string, string>>;
  /** What will be made there, for people who may have to look for it. */
  readonly says: readonly string[];
  remove(): Promise<void>;
}

/** @param name nobody else's; the system has it meanwhile, and keys in a cache begin with that */
export function placesOn(chosen: ChosenEngines, name: string, clock: Clock): Places {
  const { queue, database, cache } = chosen;
  const places = [
    ...(queue === undefined ? [] : [queuePlace(queue, name, clock)]),
    ...(database === undefined ? [] : [databasePlace(database, name, clock)]),
    ...(cache === undefined ? [] : [cachePlace(cache, name, clock)]),
  ];
  return {
    environment: Object.fromEntries(places.map(({ variable, url }) => [variable, url])),
    says: places.map(({ says }) => says),
    async remove() {
      // What one server refuses is no reason to leave something on another.
      const results = await Promise.allSettled(places.map((place) => place.remove()));
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}

interface Place {
  readonly variable: string;
  readonly url: string;
  readonly says: string;
  remove(): Promise<void>;
}

/** What a stream reserves of its servers' storage: more than any trial takes. */
const trialBytes = String(256 * 1_048_576);

function queuePlace(given: string, name: string, clock: Clock): Place {
  const variable = "MILLRACE_QUEUE";
  if (isNats(given)) {
    const url = withParameter(withParameter(given, "stream", name), "bytes", trialBytes);
    const remove = async () => {
      const { removeNatsQueue } = await loadNats(() => import("../engines/nats/remove.ts"));
      await removeNatsQueue(url);
    };
    return { variable, url, says: `the stream ${name}`, remove };
  }
  if (isPostgres(given)) return schemasPlace(variable, given, name, clock);
  throw notAServer("--queue", given, "nats://… or postgres://…");
}

function databasePlace(given: string, name: string, clock: Clock): Place {
  if (isPostgres(given)) return schemasPlace("MILLRACE_DATABASE", given, name, clock);
  throw notAServer("--database", given, "postgres://…");
}

function schemasPlace(variable: string, given: string, name: string, clock: Clock): Place {
  const prefix = name.replaceAll("-", "_");
  const url = withParameter(given, "schema", prefix);
  const remove = async () => {
    const load = () => import("../engines/postgres/remove.ts");
    await (await loadPostgres(load, variable)).removeSchemas(url, clock);
  };
  return { variable, url, says: `the schemas ${prefix}…`, remove };
}

function cachePlace(url: string, name: string, clock: Clock): Place {
  if (!/^redis(s|\+unix)?:\/\//.test(url)) throw notAServer("--cache", url, "redis://…");
  const remove = async () => {
    const { removeRedisCaches } = await loadRedis(() => import("../engines/redis/remove.ts"));
    await removeRedisCaches(url, name, clock);
  };
  return { variable: "MILLRACE_CACHE", url, says: `keys with {millrace:${name}:…`, remove };
}

/** Not by `URL`: an address of a queue may name several hosts. */
function withParameter(address: string, name: string, value: string): string {
  const [server = "", query = ""] = address.split("?", 2);
  const parameters = new URLSearchParams(query);
  parameters.set(name, value);
  // Lists of ports stay readable, and are read, with their commas.
  return `${server}?${parameters.toString().replaceAll("%2C", ",")}`;
}

const notAServer = (flag: string, given: string, forms: string): MillraceError =>
  new MillraceError("MR_USAGE", `${flag} is ${JSON.stringify(withoutPassword(given))}.`, {
    remedy: `It takes ${forms}: a server, to be compared with the embedded engine.`,
  });
