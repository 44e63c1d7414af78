/**
 * The configuration is read once: flags over environment over defaults, every problem told
 * together, nothing unknown let through. Proven over the table of settings itself and with
 * generated variables, so that a new setting is covered as soon as it stands in the table.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isMillraceError, type MillraceError } from "../../src/lib/errors.ts";
import { describeConfig, parseConfig } from "../../src/runtime/config.ts";
import { type Setting, type SettingName, settings } from "../../src/runtime/settings.ts";
import { settingsTable } from "./support/settings-table.ts";

const entries = Object.entries(settings) as [SettingName, Setting][];

/** For each setting a value that is right and not the default, and one that is wrong. */
const samples: Readonly<Record<SettingName, readonly [right: string, wrong: string]>> = {
  port: ["9000", "80.5"],
  host: ["::1", " "],
  adminPort: ["off", "on"],
  adminHost: ["::1", " "],
  data: ["/tmp/data", " "],
  gateways: ["3", "0"],
  workers: ["timelines=2,notifications=1", "timelines"],
  queue: ["nats://host", "kafka://host"],
  unsafeEngines: ["accept", "yes"],
  database: ["postgres://host/name", "mysql://host"],
  cache: ["redis://127.0.0.1:6379/1", "memcached://host"],
  lanes: ["8", "0"],
  partitions: ["32", "-1"],
  auth: ["keys", "open,keys"],
  keysFile: ["/etc/millrace/keys.json", ""],
  jwtIssuer: ["https://issuer.example", ""],
  jwtAudience: ["api", ""],
  jwtKeys: ["https://issuer.example/keys", ""],
  jwtAlgorithms: ["EdDSA", "none"],
  ratePerMinute: ["600", "many"],
  retentionHours: ["24", "-1"],
  retentionBytes: ["1000000", "1GB"],
  balance: ["round-robin", "random"],
  connectionsPerAddress: ["5000", "0"],
  publicUrl: ["https://api.example", "ftp://api.example"],
  idempotencyKey: ["required", "sometimes"],
  listen: ["[::]:8081", "8081"],
  gatewayUrls: ["http://127.0.0.1:8081, http://localhost:8082", "127.0.0.1:8081"],
  workerUrls: ["timelines=http://127.0.0.1:8081,timelines=http://[::1]:8081", "http://[::1]:8081"],
  traces: ["http://127.0.0.1:8081", "memory:"],
  clusterSecret: ["0123456789abcdef0123456789abcdef", "short"],
  trustedProxies: ["10.0.0.9,10.0.1.0/24,fd00::/8", "10.0.0.9/33"],
  hostName: ["host-d.example", "host d"],
  drainMs: ["500", "1e3"],
  hangMs: ["3000", "100"],
  logLevel: ["debug", "loud"],
  logFormat: ["json", "xml"],
  tracing: ["off", "yes"],
  tracesPerSecond: ["5", "x"],
};

const failure = (parse: () => unknown): MillraceError => {
  try {
    parse();
  } catch (error) {
    if (isMillraceError(error, "MR_CONFIG_INVALID")) return error;
  }
  throw new Error("it was not refused");
};

describe("every setting", () => {
  it.each(entries)(
    "%s: default, then variable, then flag",
    (name, { variable, fallback, secret }) => {
      const [right] = samples[name];
      const origin = (flags: object, environment: Record<string, string>) => {
        const shown = describeConfig(parseConfig(flags, environment));
        return shown.find((setting) => setting.name === name);
      };
      expect(origin({}, {})).toMatchObject({ value: fallback, origin: "default" });
      expect(origin({}, { [variable]: "" })).toMatchObject({ origin: "default" });
      expect(origin({}, { [variable]: right })).toMatchObject({
        value: secret ? "(hidden)" : right,
        origin: "environment",
      });
      expect(origin({ [name]: right }, { [variable]: fallback })).toMatchObject({
        value: secret ? "(hidden)" : right,
        origin: "flag",
      });
    },
  );

  it("tells all wrong values together, each by its variable", () => {
    const wrong = entries.filter(([name]) => samples[name][1].trim() !== "");
    const environment = Object.fromEntries(
      wrong.map(([name, { variable }]) => [variable, samples[name][1]]),
    );
    const { faults } = failure(() => parseConfig({}, environment));
    expect(faults.map(({ pointer }) => pointer).sort()).toEqual(
      wrong.map(([, { variable }]) => variable).sort(),
    );
  });

  it("names the flag where the wrong value came from one", () => {
    const { message } = failure(() => parseConfig({ port: "eighty" }, {}));
    expect(message).toBe('--port is "eighty", but must be a whole number.');
  });
});

describe("unknown variables", () => {
  it("refuses them and guesses what was meant", () => {
    const { faults } = failure(() => parseConfig({}, { MILLRACE_PROT: "1", MILLRACE_XYZZY: "2" }));
    expect(faults.map(({ detail }) => detail)).toEqual([
      "MILLRACE_PROT is not known. Did you mean MILLRACE_PORT?",
      "MILLRACE_XYZZY is not known.",
    ]);
  });

  it("leaves everybody else's variables alone", () => {
    const name = fc
      .stringMatching(/^[A-Z_]{1,20}$/)
      .filter((text) => !text.startsWith("MILLRACE_"));
    fc.assert(
      fc.property(fc.dictionary(name, fc.string()), (environment) => {
        expect(parseConfig({}, environment).config).toEqual(parseConfig({}, {}).config);
      }),
    );
  });
});

it("never answers but with a whole configuration or with MR_CONFIG_INVALID", () => {
  const variables = entries.map(([, { variable }]) => variable);
  const value = fc.oneof(fc.string(), fc.constantFrom("0", "-1", "on", "keys,jwt", "a=1,b=2"));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...variables), value), (environment) => {
      try {
        const { config } = parseConfig({}, environment);
        expect(Object.isFrozen(config)).toBe(true);
        expect(Object.keys(config).sort()).toEqual(Object.keys(settings).sort());
      } catch (error) {
        expect(isMillraceError(error, "MR_CONFIG_INVALID")).toBe(true);
      }
    }),
  );
});

it("wants the secret wherever another host is named, and reads what is where", () => {
  const environment = {
    MILLRACE_GATEWAY_URLS: "http://10.0.0.2:8081, http://gateways:8081/",
    MILLRACE_WORKER_URLS: "a=http://10.0.0.4:1,b-c=http://[fd00::5]:2,a=http://10.0.0.5:3",
    MILLRACE_TRACES: "http://10.0.0.6:8081",
    MILLRACE_LISTEN: "[::]:8081",
  };
  const { faults } = failure(() => parseConfig({}, environment));
  expect(faults.map(({ detail }) => detail.split("; ")[1])).toEqual([
    "MILLRACE_GATEWAY_URLS names another host.",
    "MILLRACE_WORKER_URLS names another host.",
    "MILLRACE_TRACES names another host.",
  ]);
  const MILLRACE_CLUSTER_SECRET = "0123456789abcdef0123456789abcdef";
  const { config } = parseConfig({}, { ...environment, MILLRACE_CLUSTER_SECRET });
  expect(config).toMatchObject({
    listen: { host: "::", port: 8_081 },
    gatewayUrls: [
      { host: "10.0.0.2", port: 8_081 },
      { host: "gateways", port: 8_081 },
    ],
    traces: { host: "10.0.0.6", port: 8_081 },
  });
  expect(Object.fromEntries(config.workerUrls)).toEqual({
    a: [
      { host: "10.0.0.4", port: 1 },
      { host: "10.0.0.5", port: 3 },
    ],
    "b-c": [{ host: "fd00::5", port: 2 }],
  });
});

it("wants everything that tokens need once tokens are switched on", () => {
  const { faults } = failure(() => parseConfig({}, { MILLRACE_AUTH: "keys,jwt" }));
  expect(faults.map(({ pointer }) => pointer)).toEqual([
    "MILLRACE_JWT_ISSUER",
    "MILLRACE_JWT_AUDIENCE",
    "MILLRACE_JWT_KEYS",
  ]);
});

it("shows no password", () => {
  const shown = describeConfig({
    config: parseConfig({}, {}).config,
    sources: new Map([["queue", { text: "nats://ada:s3cret@host:4222", origin: "flag" }]]),
  });
  expect(JSON.stringify(shown)).not.toContain("s3cret");
});

it("docs/configuration.md holds the table that the settings make", () => {
  const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  expect(page).toContain(settingsTable());
});
