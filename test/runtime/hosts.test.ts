/**
 * Which boxes run on which host, where each listens and finds the others, and that none of them
 * lets strangers in. One environment is meant to serve all hosts.
 */
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import social from "../../examples/social/app.ts";
import { assertPeersKnown } from "../../src/runtime/access.ts";
import { type Config, parseConfig } from "../../src/runtime/config.ts";
import { dataFolderAt } from "../../src/runtime/data-folder.ts";
import { parseSelection } from "../../src/runtime/selection.ts";
import { type BoxPlan, planTopology } from "../../src/runtime/topology.ts";

const secret = "0123456789abcdef0123456789abcdef";
const data = dataFolderAt("/data");

const configOf = (environment: Record<string, string>): Config =>
  parseConfig({}, environment).config;
const plan = (config: Config, only?: string): readonly BoxPlan[] =>
  planTopology(social, config, data, parseSelection(only));
const listens = (plans: readonly BoxPlan[]) =>
  Object.fromEntries(plans.map(({ name, listen }) => [name, listen]));

const everywhere = {
  MILLRACE_LISTEN: "0.0.0.0:8081",
  MILLRACE_GATEWAYS: "2",
  MILLRACE_GATEWAY_URLS: "http://10.0.0.2:8081,http://10.0.0.2:8082",
  MILLRACE_WORKER_URLS: "timelines=http://10.0.0.4:8081",
  MILLRACE_CLUSTER_SECRET: secret,
  MILLRACE_AUTH: "keys",
  MILLRACE_HOST_NAME: "d",
};

describe("what a host runs", () => {
  it.each([
    ["balancer", ["balancer"]],
    ["worker", ["worker-timelines-1", "worker-notifications-1"]],
    ["worker:notifications", ["worker-notifications-1"]],
    ["gateway, admin", ["gateway-1", "gateway-2", "admin"]],
  ])("--only %s", (only, names) => {
    expect(plan(configOf({}), only).map(({ name }) => name)).toEqual(names);
  });

  it("refuses what there is not", () => {
    for (const only of ["", "gateways", "gateway,", "worker:", "worker:likes"]) {
      expect(() => plan(configOf({}), only)).toThrow();
    }
    const unknown = { ...everywhere, MILLRACE_WORKER_URLS: "likes=http://10.0.0.4:1" };
    expect(() => plan(configOf(unknown))).toThrow(/MILLRACE_WORKER_URLS names likes/);
  });
});

describe("where boxes are", () => {
  it("counts ports up over what runs here", () => {
    expect(listens(plan(configOf(everywhere), "gateway,worker"))).toEqual({
      "gateway-1": { host: "0.0.0.0", port: 8_081 },
      "gateway-2": { host: "0.0.0.0", port: 8_082 },
      "worker-timelines-1": { host: "0.0.0.0", port: 8_083 },
      "worker-notifications-1": { host: "0.0.0.0", port: 8_084 },
    });
    const [admin] = plan(configOf(everywhere), "admin");
    expect(admin).toMatchObject({ spans: { host: "0.0.0.0", port: 8_081 } });
  });

  it("finds others by the configuration, and the rest of them on this host", () => {
    const [balancer, gateway] = plan(configOf(everywhere), "balancer,gateway");
    expect(balancer).toMatchObject({
      gateways: [{ address: { host: "10.0.0.2", port: 8_081 } }, { address: { port: 8_082 } }],
    });
    expect(gateway).toMatchObject({
      workers: [
        { name: "timelines", addresses: [{ host: "10.0.0.4", port: 8_081 }] },
        {
          name: "notifications",
          addresses: [{ socketPath: data.socket("worker-notifications-1") }],
        },
      ],
    });
    // What listens everywhere is reached on its own machine without a detour.
    const whole = plan(configOf({ MILLRACE_LISTEN: "0.0.0.0:9000" }));
    expect(whole[0]).toMatchObject({
      gateways: [{ address: { host: "127.0.0.1", port: 9_000 } }, {}],
    });
  });

  it("tells instances of several hosts apart, and leaves those of one alone", () => {
    const instances = (config: Config) =>
      plan(config, "worker:timelines").map((one) => ("instance" in one ? one.instance : ""));
    expect(instances(configOf(everywhere))).toEqual(["timelines 1 on d"]);
    expect(instances(configOf({}))).toEqual(["timelines 1"]);
    const shared = { ...configOf({}), database: "postgres://db" } as Config;
    expect(instances(shared)).toEqual([`timelines 1 on ${hostname()}`]);
  });
});

describe("who may connect", () => {
  const check = (changes: Record<string, string>, only: string) => {
    const environment = { ...everywhere, ...changes };
    const config = configOf(environment);
    return () => assertPeersKnown(config, plan(config, only));
  };
  const alone = {
    MILLRACE_GATEWAY_URLS: "",
    MILLRACE_WORKER_URLS: "",
    MILLRACE_CLUSTER_SECRET: "",
  };
  const proxy = { MILLRACE_TRUSTED_PROXIES: "10.0.0.1" };

  it.each([
    ["with the secret", {}, "gateway,worker,admin"],
    [
      "on this machine",
      { ...alone, MILLRACE_LISTEN: "127.0.0.1:1", MILLRACE_AUTH: "open" },
      "gateway,worker",
    ],
    ["behind a proxy", { ...alone, ...proxy }, "gateway"],
    ["a balancer, which listens elsewhere", alone, "balancer"],
  ])("lets them begin: %s", (_what, changes, only) => {
    expect(check(changes, only)).not.toThrow();
  });

  it.each([
    [
      "a worker without the secret",
      { ...alone, ...proxy },
      "worker",
      /MILLRACE_CLUSTER_SECRET|lets other machines in/,
    ],
    ["a gateway without the secret", alone, "gateway", /lets other machines in/],
    ["traces without the secret", alone, "admin", /lets other machines in/],
    [
      "a gateway that is open to all",
      { MILLRACE_AUTH: "open" },
      "gateway",
      /lets other machines in/,
    ],
  ])("refuses %s", (_what, changes, only, message) => {
    expect(check(changes, only)).toThrow(message);
  });
});
