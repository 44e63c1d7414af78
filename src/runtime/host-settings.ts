import { isIP } from "node:net";
import { z } from "zod";
import { type HostAddress, isLoopback } from "../lib/address.ts";
import type { Fault } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { settings } from "./settings.ts";

/** How a system on several hosts is set up: where each box listens, and where it finds others. */

const address = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+):(\d{1,5})$/i;

function addressOf(text: string): HostAddress | undefined {
  const [, host, port] = address.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

const addressOfUrl = (url: string): HostAddress | undefined =>
  addressOf(/^http:\/\/([^/]+)\/?$/.exec(url.trim())?.[1] ?? "");

const membersOf = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

const listen = z.string().transform((text, context) => {
  const found = addressOf(text.trim());
  if (found !== undefined || text === "") return found;
  context.addIssue("must be an address with a port, such as 0.0.0.0:8081");
  return z.NEVER;
});

const urls = z.string().transform((text, context): readonly HostAddress[] => {
  const found = membersOf(text).map(addressOfUrl);
  if (found.every((one) => one !== undefined)) return found;
  context.addIssue("must look like http://10.0.0.2:8081,http://10.0.0.3:8081");
  return z.NEVER;
});

const urlsOfWorkers = z.string().transform((text, context) => {
  const found = new Map<string, readonly HostAddress[]>();
  for (const part of membersOf(text)) {
    const [, name = "", url = ""] = /^([a-z][a-z0-9-]*)\s*=(.*)$/.exec(part) ?? [];
    const address = addressOfUrl(url);
    if (address === undefined) {
      context.addIssue("must look like timelines=http://10.0.0.4:8081,notifications=http://…");
      return z.NEVER;
    }
    found.set(name, [...(found.get(name) ?? []), address]);
  }
  return found;
});

const traces = z.string().transform((text, context) => {
  const found = text === "sqlite:" ? text : addressOfUrl(text);
  if (found !== undefined) return found;
  context.addIssue("must be sqlite:, or look like http://10.0.0.6:8081");
  return z.NEVER;
});

const proxies = z
  .string()
  .transform(membersOf)
  .refine(
    (list) => list.every(isProxy),
    "must be addresses or networks, such as 10.0.0.9,10.0.1.0/24",
  );

function isProxy(text: string): boolean {
  const [, address = "", bits = "0"] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

export const hostSchemas = {
  listen,
  gatewayUrls: urls,
  workerUrls: urlsOfWorkers,
  traces,
  clusterSecret: z
    .string()
    .refine(
      (text) => text === "" || text.length >= limits.secretLengthMin,
      `must have at least ${limits.secretLengthMin} characters`,
    ),
  trustedProxies: proxies,
  hostName: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,63}$/, "must be a name of letters, digits, dots and hyphens"),
};

type HostSettings = {
  readonly [Name in keyof typeof hostSchemas]: z.output<(typeof hostSchemas)[Name]>;
};

/** Whoever asks another host has to show the secret there. */
export function hostContradictions(config: HostSettings): Fault[] {
  if (config.clusterSecret !== "") return [];
  const asked = {
    gatewayUrls: config.gatewayUrls,
    workerUrls: [...config.workerUrls.values()].flat(),
    traces: config.traces === "sqlite:" ? [] : [config.traces],
  };
  return (["gatewayUrls", "workerUrls", "traces"] as const)
    .filter((name) => asked[name].some(({ host }) => !isLoopback(host)))
    .map((name) => ({
      detail: `MILLRACE_CLUSTER_SECRET is missing; ${settings[name].variable} names another host.`,
      pointer: settings.clusterSecret.variable,
    }));
}
