import { z } from "zod";
import { type Fault, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { nearest } from "../lib/nearest.ts";
import { withoutPassword } from "../lib/text.ts";
import { hostContradictions, hostSchemas } from "./host-settings.ts";
import { commandVariables, type Setting, type SettingName, settings } from "./settings.ts";

const whole = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .refine((value) => value >= from && value <= to, `must be between ${from} and ${to}`);

const oneOf = <const Names extends readonly [string, ...string[]]>(...names: Names) =>
  z.enum(names, { error: `must be one of ${names.join(", ")}` });

const listOf = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .pipe(z.array(item));

/**
 * What `sqlite:` or `postgres://…` means is known to engines.ts alone; here only the form is
 * checked, and each engine reads its own address.
 */
const engine = (words: readonly string[], schemes: readonly string[]) => {
  const forms = [...words, ...schemes.map((scheme) => `${scheme}://…`)];
  return z
    .string()
    .refine(
      (url) => words.includes(url) || schemes.some((scheme) => url.startsWith(`${scheme}://`)),
      `must be ${forms.join(" or ")}: no other engine is part of this version`,
    );
};

const instances = z.string().transform((text, context) => {
  const counts = new Map<string, number>();
  for (const part of text.split(",").filter((part) => part.trim() !== "")) {
    const [, name, count] = /^\s*([a-z][a-z0-9-]*)\s*=\s*([1-9]\d?)\s*$/.exec(part) ?? [];
    if (name === undefined || counts.has(name)) {
      context.addIssue(`must look like timelines=2,notifications=1, each worker once`);
      return z.NEVER;
    }
    counts.set(name, Number(count));
  }
  return counts;
});

const schema = z.strictObject({
  port: whole(0, 65_535),
  host: z.string().min(1, "must not be empty"),
  adminPort: z.union([z.literal("off"), whole(0, 65_535)], {
    error: "must be a whole number between 0 and 65535, or off",
  }),
  adminHost: z.string().min(1, "must not be empty"),
  data: z.string().min(1, "must not be empty"),
  gateways: whole(1, 64),
  workers: instances,
  queue: engine(["sqlite:", "memory:"], ["nats", "tls", "postgres"]),
  unsafeEngines: oneOf("refuse", "accept"),
  database: engine(["sqlite:", "memory:"], ["postgres"]),
  cache: engine(["memory:"], ["redis", "rediss", "redis+unix"]),
  lanes: whole(1, 64),
  partitions: whole(1, limits.partitionsMax),
  auth: listOf(oneOf("open", "keys", "jwt")).refine(
    (ways) => !ways.includes("open") || ways.length === 1,
    "must be open alone, or keys, or jwt, or keys,jwt",
  ),
  keysFile: z.string(),
  jwtIssuer: z.string(),
  jwtAudience: z.string(),
  jwtKeys: z.string(),
  jwtAlgorithms: listOf(oneOf("ES256", "RS256", "PS256", "ES384", "EdDSA")),
  ratePerMinute: whole(0, 1_000_000_000),
  retentionHours: whole(0, 87_600),
  retentionBytes: whole(0, Number.MAX_SAFE_INTEGER),
  balance: oneOf("least-busy", "round-robin"),
  connectionsPerAddress: whole(1, limits.connectionsMax),
  publicUrl: z.union([z.literal(""), z.url({ protocol: /^https?$/ })], {
    error: "must be an http or https address",
  }),
  idempotencyKey: oneOf("optional", "required"),
  ...hostSchemas,
  drainMs: whole(0, 3_600_000),
  // Each process tells once a second that it reacts.
  hangMs: whole(2 * limits.aliveIntervalMs, 3_600_000),
  logLevel: oneOf("debug", "info", "warn", "error", "silent"),
  logFormat: oneOf("auto", "json", "pretty"),
  tracing: oneOf("on", "off").transform((value) => value === "on"),
  tracesPerSecond: whole(0, 1_000_000),
} satisfies Record<SettingName, z.ZodType<unknown, string>>);

/** Everything that a user has set, checked. Frozen: nothing changes after the start. */
export type Config = Readonly<z.output<typeof schema>>;

export type Origin = "flag" | "environment" | "default";

/** One setting's raw text and where it came from. */
export interface Source {
  readonly text: string;
  readonly origin: Origin;
}

export type Environment = Readonly<Record<string, string | undefined>>;
export type Flags = Readonly<Partial<Record<SettingName, string | undefined>>>;

export interface ParsedConfig {
  readonly config: Config;
  readonly sources: ReadonlyMap<SettingName, Source>;
}

const settingEntries = Object.entries(settings) as [SettingName, Setting][];

/**
 * Reads the configuration: flags over environment over defaults. A variable set to the empty string
 * counts as not set, as in most shells' and containers' idiom for "none".
 *
 * @throws MR_CONFIG_INVALID with every problem at once
 */
export function parseConfig(flags: Flags, environment: Environment): ParsedConfig {
  const faults = unknownVariables(environment);
  const sources = new Map<SettingName, Source>();
  for (const [name, setting] of settingEntries) {
    sources.set(name, sourceOf(flags[name], environment[setting.variable], setting.fallback));
  }
  const texts = Object.fromEntries([...sources].map(([name, { text }]) => [name, text]));
  const result = schema.safeParse(texts);
  if (result.success) faults.push(...contradictions(result.data));
  else faults.push(...result.error.issues.map((issue) => faultOf(issue, sources)));
  if (faults.length > 0 || !result.success) throw invalid(faults);
  return { config: Object.freeze(result.data), sources };
}

function sourceOf(
  flag: string | undefined,
  variable: string | undefined,
  fallback: string,
): Source {
  if (flag !== undefined) return { text: flag, origin: "flag" };
  if (variable !== undefined && variable !== "") return { text: variable, origin: "environment" };
  return { text: fallback, origin: "default" };
}

const prefix = "MILLRACE_";

/** A misspelt variable would silently mean the default, so every unknown one is an error. */
function unknownVariables(environment: Environment): Fault[] {
  const variables = [
    ...settingEntries.map(([, { variable }]) => variable),
    ...Object.keys(commandVariables),
  ];
  // Compared without what all have in common, or every variable would be near to every other.
  const known = new Set(variables.map((variable) => variable.slice(prefix.length)));
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.has(name.slice(prefix.length)))
    .map((name) => {
      const guess = nearest(name.slice(prefix.length), known);
      const hint = guess === undefined ? "" : ` Did you mean ${prefix}${guess}?`;
      return { detail: `${name} is not known.${hint}`, pointer: name };
    });
}

function faultOf(issue: z.core.$ZodIssue, sources: ReadonlyMap<SettingName, Source>): Fault {
  const name = issue.path[0] as SettingName;
  const { variable, secret, flag } = settings[name] as Setting;
  const source = sources.get(name);
  const place = source?.origin === "flag" ? (flag?.split(" ")[0] ?? variable) : variable;
  const value = secret ? "its value" : JSON.stringify(withoutPassword(source?.text ?? ""));
  return { detail: `${place} is ${value}, but ${issue.message}.`, pointer: place };
}

/** Settings that are each right and wrong together. */
function contradictions(config: Config): Fault[] {
  const faults: Fault[] = hostContradictions(config);
  if (config.auth.includes("jwt")) {
    for (const name of ["jwtIssuer", "jwtAudience", "jwtKeys"] as const) {
      if (config[name] !== "") continue;
      const { variable } = settings[name];
      faults.push({
        detail: `${variable} is missing; MILLRACE_AUTH=jwt needs it.`,
        pointer: variable,
      });
    }
  }
  return faults;
}

const invalid = (faults: readonly Fault[]): MillraceError =>
  new MillraceError("MR_CONFIG_INVALID", faults.map(({ detail }) => detail).join("\n"), {
    faults,
    remedy: "All settings: docs/configuration.md, or millrace start --help.",
  });

export interface ShownSetting {
  readonly name: SettingName;
  readonly variable: string;
  readonly value: string;
  readonly origin: Origin;
}

/** Each setting, its value and where it came from, for `--print-config`. Secrets stay hidden. */
export function describeConfig({ sources }: ParsedConfig): ShownSetting[] {
  return settingEntries.map(([name, { variable, secret }]) => {
    const { text, origin } = sources.get(name) ?? { text: "", origin: "default" };
    return {
      name,
      variable,
      value: secret && text !== "" ? "(hidden)" : withoutPassword(text),
      origin,
    };
  });
}
