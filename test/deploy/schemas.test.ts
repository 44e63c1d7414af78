/**
 * What `millrace deploy` writes, held against the published schemas of Compose, Kubernetes and
 * KEDA, for several applications and settings: nothing in it is unknown, missing or of a wrong
 * form. That the schemas would notice is proven by manifests with a fault at every place. And what
 * no schema says: the boxes take their settings and their folders, every stop has the time that it
 * takes, and HAProxy takes its file. Those of NATS are in nats.test.ts.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { limits } from "../../src/lib/limits.ts";
import { assertAccessSafe, assertPeersKnown } from "../../src/runtime/access.ts";
import { loadApplication } from "../../src/runtime/application.ts";
import { parseConfig } from "../../src/runtime/config.ts";
import { openDataFolder } from "../../src/runtime/data-folder.ts";
import { composeFiles } from "../../src/runtime/deploy/compose.ts";
import { kubernetesFiles } from "../../src/runtime/deploy/kubernetes.ts";
import { deployedSystem, type Files } from "../../src/runtime/deploy/picture.ts";
import { parseSelection } from "../../src/runtime/selection.ts";
import { planTopology } from "../../src/runtime/topology.ts";
import { withoutHaproxy } from "../support/haproxy.ts";
import {
  composeFaults,
  declarationFaults,
  type Manifest,
  schemaFaults,
} from "./manifest-schemas.ts";

const social = "examples/social/app.ts";
const settings: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  [social, {}],
  [social, { MILLRACE_GATEWAYS: "5", MILLRACE_WORKERS: "timelines=3,notifications=2" }],
  [social, { MILLRACE_DRAIN_MS: "180000", MILLRACE_BALANCE: "round-robin" }],
  [social, { MILLRACE_GATEWAYS: "1", MILLRACE_PARTITIONS: "1" }],
  ["examples/github/app.ts", { MILLRACE_CONNECTIONS_PER_ADDRESS: "7" }],
];

async function systemOf(app: string, environment: Readonly<Record<string, string>>) {
  const definition = await loadApplication(app);
  const { config } = parseConfig({}, environment);
  return { definition, system: deployedSystem(definition, app, config) };
}

const manifestsIn = (files: Files): Manifest[] =>
  Object.entries(files)
    .filter(([name]) => name.endsWith(".yaml"))
    .flatMap(([, text]) => parseAllDocuments(text).map((document) => document.toJS()));

const allManifests = async () => {
  const sets = await Promise.all(
    settings.map(async (given) => manifestsIn(kubernetesFiles((await systemOf(...given)).system))),
  );
  return sets.flat();
};

type Json = { [name: string]: Json } | Json[] | string | number | boolean | null;

/** Copies of a value with something put into one object of it, for each object that there is. */
function withStranger(value: Json): Json[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.entries(value).flatMap(([name, member]) =>
    withStranger(member).map((changed): Json => {
      if (!Array.isArray(value)) return { ...value, [name]: changed };
      return value.map((item, at) => (String(at) === name ? changed : item));
    }),
  );
  return Array.isArray(value) ? inside : [{ ...value, unheardOf: { of: {} } }, ...inside];
}

describe("by the schemas", () => {
  it.each(settings)("a Compose project is in order: %s %j", async (...given) => {
    const { system } = await systemOf(...given);
    expect(composeFaults(parse(composeFiles(system)["compose.yaml"] ?? ""))).toEqual([]);
  });

  it("a Compose project with anything unknown in it is not", async () => {
    const { system } = await systemOf(social, {});
    const project = parse(composeFiles(system)["compose.yaml"] ?? "");
    const strangers = withStranger(project);
    expect(strangers.length).toBeGreaterThan(50);
    const passed = strangers.filter((changed) => composeFaults(changed).length === 0);
    expect(passed).toEqual([]);
  });

  it("Kubernetes manifests are in order", { timeout: 120_000 }, async () => {
    const manifests = await allManifests();
    expect(manifests.length).toBeGreaterThan(100);
    for (const manifest of manifests) expect(await schemaFaults(manifest)).toEqual([]);
    expect(await declarationFaults(manifests)).toEqual(new Map());
  });

  it("Kubernetes manifests with anything unknown in them are not", {
    timeout: 120_000,
  }, async () => {
    const [first = [social, {}]] = settings;
    const { system } = await systemOf(...first);
    const manifests = manifestsIn(kubernetesFiles(system));
    const strangers = manifests.flatMap((one) => withStranger(one as never)) as never[];
    expect(strangers.length).toBeGreaterThan(300);
    const faults = await declarationFaults(strangers);
    expect(strangers.filter((_, at) => !faults.has(at))).toEqual([]);
  });

  it.each([
    ["StatefulSet", "selector"],
    ["PodDisruptionBudget", "maxUnavailable"],
    ["Service", "ports"],
    ["ScaledObject", "triggers"],
    ["TriggerAuthentication", "secretTargetRef"],
  ])("a %s whose %s is a word is not in order", async (kind, field) => {
    const manifest = (await allManifests()).find((one) => one.kind === kind);
    const { spec } = manifest as unknown as { spec: object };
    const changed = { ...manifest, spec: { ...spec, [field]: true } } as unknown as Manifest;
    expect(await schemaFaults(changed)).not.toEqual([]);
  });
});

/** Stands for every secret: as long and as plain as `openssl rand -hex 32` makes them. */
const secret = "0123456789abcdef".repeat(4);

interface Box {
  readonly only: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Where something is mounted, and whether that is a file. */
  readonly mounts: readonly string[];
  readonly graceSeconds: number;
  readonly noticeSeconds: number;
}

/** The containers of a Compose project that run Millrace. */
function composeBoxes(files: Files): Box[] {
  const { services } = parse((files["compose.yaml"] ?? "").replace(/\$\{\w+:\?[^}]*\}/g, secret));
  return Object.values<{
    readonly command?: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
    readonly volumes: readonly string[];
    readonly stop_grace_period: string;
  }>(services)
    .filter(({ command }) => command?.[0] === "--only")
    .map(({ command, environment, volumes, stop_grace_period }) => ({
      only: command?.[1] ?? "",
      environment,
      mounts: volumes.map((volume) => volume.split(":")[1] ?? ""),
      graceSeconds: Number.parseInt(stop_grace_period, 10),
      noticeSeconds: 0,
    }));
}

interface PodLike {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly {
    readonly name: string;
    readonly args?: readonly string[];
    readonly env: readonly { readonly name: string; readonly value?: string }[];
    readonly volumeMounts: readonly { readonly mountPath: string }[];
    readonly lifecycle: { readonly preStop: { readonly exec: { command: readonly string[] } } };
  }[];
}

const podsIn = (files: Files): PodLike[] =>
  manifestsIn(files).flatMap((manifest) => {
    const { spec } = manifest as { spec?: { template?: { spec: PodLike } } };
    return spec?.template === undefined ? [] : [spec.template.spec];
  });

const noticeOf = ({ containers: [container] }: PodLike): number =>
  Number(container?.lifecycle.preStop.exec.command[1]);

/** The same of a cluster; `$(NAME)` is what an earlier variable of the container says. */
function kubernetesBoxes(files: Files): Box[] {
  return podsIn(files)
    .filter(({ containers }) => containers.some(({ name }) => name === "millrace"))
    .map((pod) => {
      const [{ args = [], env, volumeMounts } = { env: [], volumeMounts: [] }] = pod.containers;
      const values = env.map(({ name, value = secret }) => [
        name,
        value.replace(/\$\(\w+\)/g, secret),
      ]);
      return {
        only: args[1] ?? "",
        environment: Object.fromEntries(values),
        mounts: volumeMounts.map(({ mountPath }) => mountPath),
        graceSeconds: pod.terminationGracePeriodSeconds,
        noticeSeconds: noticeOf(pod),
      };
    });
}

describe.each([
  ["Compose", composeFiles, composeBoxes],
  ["Kubernetes", kubernetesFiles, kubernetesBoxes],
] as const)("the boxes of %s", (_where, filesOf, boxesOf) => {
  it.each(settings)("take their settings and their time: %s %j", async (app, environment) => {
    const { definition, system } = await systemOf(app, environment);
    const boxes = boxesOf(filesOf(system));
    const workers = definition.workers.map(({ name }) => `worker:${name}`);
    expect(new Set(boxes.map(({ only }) => only))).toEqual(
      new Set(["gateway", "admin", ...workers]),
    );
    for (const { only, environment: given, graceSeconds, noticeSeconds } of boxes) {
      const own = Object.entries(given).filter(([name]) => name.startsWith("MILLRACE_"));
      const { config } = parseConfig({}, Object.fromEntries(own));
      assertAccessSafe(config);
      const selection = parseSelection(only);
      const folder = await openDataFolder(mkdtempSync(join(tmpdir(), "millrace-box-")));
      try {
        const plans = planTopology(definition, config, folder, selection);
        assertPeersKnown(config, plans);
        expect(plans).toHaveLength(1);
      } finally {
        rmSync(folder.path, { recursive: true });
      }
      // Without it nobody can tell whether the servers sync, and no box starts.
      expect(config.queue).toMatch(/^nats:.+,.+,.+\?monitor=8222$/);
      expect(config.drainMs).toBe(system.config.drainMs);
      expect((graceSeconds - noticeSeconds) * 1_000).toBeGreaterThan(
        config.drainMs + limits.killAfterMs,
      );
    }
  });

  it("find the data folder as they leave it, and nobody else in it", async () => {
    const { system } = await systemOf(social, { MILLRACE_GATEWAYS: "2" });
    for (const { mounts, only } of boxesOf(filesOf(system))) {
      const place = mkdtempSync(join(tmpdir(), "millrace-box-"));
      try {
        for (const mount of mounts) mkdirSync(join(place, mount), { recursive: true });
        await openDataFolder(join(place, "data"));
      } finally {
        rmSync(place, { recursive: true });
      }
      // What a container mounts there it shares with those that mount the same.
      if (filesOf === composeFiles && only !== "admin") expect(mounts).not.toContain("/data");
    }
  });
});

describe("HAProxy", () => {
  it.each(settings)("has the time to finish what runs: %s %j", async (app, environment) => {
    const { system } = await systemOf(app, environment);
    const hardStop = (config: string) =>
      Number(/hard-stop-after (\d+)ms/.exec(config)?.[1]) / 1_000;
    const compose = composeFiles(system);
    const { haproxy } = parse(compose["compose.yaml"] ?? "").services;
    expect(haproxy.stop_signal).toBe("SIGUSR1");
    expect(Number.parseInt(haproxy.stop_grace_period, 10)).toBeGreaterThan(
      hardStop(compose["haproxy.cfg"] ?? ""),
    );
    const pod = podsIn(kubernetesFiles(system)).find(({ containers }) =>
      containers.some(({ name }) => name === "haproxy"),
    );
    expect(pod).toBeDefined();
    if (pod === undefined) return;
    expect(pod.terminationGracePeriodSeconds - noticeOf(pod)).toBeGreaterThan(
      hardStop(haproxyConfigIn(kubernetesFiles(system))),
    );
  });

  it.skipIf(withoutHaproxy)(`takes its file in a cluster (${withoutHaproxy ?? ""})`, async () => {
    const { system } = await systemOf(social, { MILLRACE_GATEWAYS: "3" });
    const folder = mkdtempSync(join(tmpdir(), "millrace-haproxy-"));
    try {
      const file = join(folder, "haproxy.cfg");
      const config = haproxyConfigIn(kubernetesFiles(system));
      writeFileSync(file, config);
      execFileSync("haproxy", ["-c", "-q", "-f", file], {
        env: { ...process.env, NAMESPACE: "shop" },
      });
      // It asks the cluster's DNS itself, which knows names in full only.
      expect(config).toMatch(/server gateway-2 "gateway-2\.gateway\.\$\{NAMESPACE\}\.svc\./);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const haproxyConfigIn = (files: Files): string => {
  const map = manifestsIn(files).find(
    (manifest) => manifest.kind === "ConfigMap" && "haproxy.cfg" in dataOf(manifest),
  );
  return map === undefined ? "" : (dataOf(map)["haproxy.cfg"] ?? "");
};

const dataOf = (manifest: Manifest): Readonly<Record<string, string>> =>
  (manifest as Manifest & { readonly data: Readonly<Record<string, string>> }).data;
