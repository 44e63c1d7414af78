/**
 * What `millrace deploy` writes: the files are read back by a YAML parser, everything that they
 * refer to is there, no secret stands in them, HAProxy takes its configuration, and nothing that
 * exists is overwritten. No container engine runs them here; schemas.test.ts holds them against
 * their schemas.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { type Plain, yamlText } from "../../src/lib/yaml-text.ts";
import { withoutHaproxy } from "../support/haproxy.ts";

interface ServiceLike {
  readonly depends_on?:
    | readonly string[]
    | Readonly<Record<string, { readonly condition: string }>>;
  readonly volumes?: readonly string[];
  readonly networks: readonly string[] | Readonly<Record<string, unknown>>;
}

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "millrace-deploy-")), "deploy");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

const deploy = async (...args: string[]) => {
  const command = ["bin/millrace.mjs", "deploy", ...args];
  const env = { ...process.env, MILLRACE_WORKERS: "timelines=2", MILLRACE_GATEWAYS: "3" };
  const { stdout } = await promisify(execFile)(process.execPath, command, { env });
  return stdout;
};
const read = (name: string) => readFileSync(join(folder, name), "utf8");

it("writes as YAML exactly what it was given", () => {
  const { value } = fc.letrec<{ value: Plain }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("no", "1e3", "a\nb\n", "a\nb", "", " x", "- a", "2001:db8::1"),
      fc.integer(),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b-c", "d e", "no", "1"), tie("value"), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(fc.record({ x: value, y: value }), (all) => {
      expect(parse(yamlText(all))).toEqual(all);
    }),
    { numRuns: 300 },
  );
});

it("writes a Compose project whose services, volumes and networks all exist", async () => {
  await deploy("compose", "examples/social/app.ts", "--output", folder);
  const { services, volumes, networks } = parse(read("compose.yaml"));
  const names = Object.keys(services);
  expect(names).toEqual(
    expect.arrayContaining(["gateway-3", "worker-timelines-2", "worker-notifications-1", "admin"]),
  );
  expect(names).toEqual(
    expect.arrayContaining(["haproxy", "nats-1", "nats-2", "nats-3", "postgres", "redis"]),
  );
  for (const service of Object.values<ServiceLike>(services)) {
    const needed = service.depends_on ?? [];
    const isList = Array.isArray(needed);
    for (const name of isList ? needed : Object.keys(needed)) {
      expect(names).toContain(name);
      if (!isList) expect(services[name]).toHaveProperty("healthcheck");
    }
    for (const mount of service.volumes ?? []) {
      const [source = ""] = mount.split(":");
      if (source.startsWith("./")) expect(readdirSync(folder)).toContain(source.slice(2));
      else expect(Object.keys(volumes)).toContain(source);
    }
    const joined = Array.isArray(service.networks)
      ? service.networks
      : Object.keys(service.networks);
    for (const network of joined) expect(Object.keys(networks)).toContain(network);
  }
  expect(read("nats.conf")).toContain("sync_interval: always");
  const secrets = read(".env.example").match(/^[A-Z_]+(?==)/gm) ?? [];
  const used = new Set(
    [...read("compose.yaml").matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name),
  );
  expect([...used].sort()).toEqual([...secrets].sort());
});

it("writes Kubernetes manifests that refer to each other, with no secret in them", async () => {
  await deploy("kubernetes", "examples/social/app.ts", "--output", folder);
  const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  const objects = files.flatMap((name) =>
    parseAllDocuments(read(name)).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS();
    }),
  );
  const named = (kind: string) =>
    objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name);
  const pods = objects.filter(({ spec }) => spec?.template?.spec !== undefined);
  const labels = pods.map(({ spec }) => spec.template.metadata.labels.app);
  expect(labels.sort()).toEqual([
    "admin",
    "gateway",
    "haproxy",
    "nats",
    "postgres",
    "redis",
    "worker-notifications",
    "worker-timelines",
  ]);
  for (const { kind, spec, metadata } of objects) {
    expect(metadata.name).toMatch(/^[a-z][a-z0-9-]*$/);
    if (kind === "Service") expect(labels).toContain(spec.selector.app);
    if (kind === "PodDisruptionBudget") expect(labels).toContain(spec.selector.matchLabels.app);
    if (kind === "StatefulSet") expect(named("Service")).toContain(spec.serviceName);
    // Else each `apply` would take back what the autoscaler has added.
    if (metadata.name.startsWith("worker-") && kind === "StatefulSet") {
      expect(spec.replicas).toBeUndefined();
    }
    if (kind === "ScaledObject") {
      expect(named("StatefulSet")).toContain(spec.scaleTargetRef.name);
      // Sixteen partitions, of which each takes four at a time.
      expect(spec.maxReplicaCount).toBe(4);
    }
  }
  for (const { spec } of pods) {
    const { containers, volumes = [], terminationGracePeriodSeconds = 30 } = spec.template.spec;
    const places = [
      ...volumes,
      ...(spec.volumeClaimTemplates ?? []).map(({ metadata }: never) => metadata),
    ];
    const maps = volumes.flatMap(
      ({ configMap }: { configMap?: { name: string } }) => configMap?.name ?? [],
    );
    for (const map of maps) expect(named("ConfigMap")).toContain(map);
    for (const container of containers) {
      expect(container.resources.requests).toBeDefined();
      expect(container.readinessProbe).toBeDefined();
      expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(30);
      for (const { name } of container.volumeMounts ?? []) {
        expect(places.map((place: { name: string }) => place.name)).toContain(name);
      }
      for (const { name, value } of container.env ?? []) {
        // The one is a path: the file comes from a Secret.
        if (name === "MILLRACE_KEYS_FILE") expect(value).toBe("/keys/keys.json");
        else if (/PASSWORD|SECRET|KEY/.test(name)) expect(value).toBeUndefined();
      }
    }
  }
  expect(named("Secret")).toEqual([]);
});

describe.skipIf(withoutHaproxy)("for HAProxy", () => {
  it.each([
    ["on this machine", ["haproxy", "examples/social/app.ts"]],
    ["for Compose", ["compose", "examples/social/app.ts"]],
  ])("writes a configuration that it takes, %s", async (_where, args) => {
    await deploy(...args, "--output", folder);
    execFileSync("haproxy", ["-c", "-q", "-f", join(folder, "haproxy.cfg")]);
    expect(read("haproxy.cfg").match(/^ {4}server /gm)).toHaveLength(3);
  });
});

it("overwrites nothing unless it is told to, and says as JSON what it wrote", async () => {
  const args = ["haproxy", "examples/social/app.ts", "--output", folder, "--json"];
  expect(JSON.parse(await deploy(...args))).toMatchObject({
    kind: "haproxy",
    files: ["haproxy.cfg"],
  });
  writeFileSync(join(folder, "haproxy.cfg"), "mine");
  await expect(deploy(...args)).rejects.toMatchObject({ code: 2 });
  expect(read("haproxy.cfg")).toBe("mine");
  await deploy(...args, "--force");
  expect(read("haproxy.cfg")).toContain("frontend api");
  expect(await deploy("haproxy", "examples/social/app.ts")).toContain("frontend api");
  await expect(deploy("compose", "examples/social/app.ts")).rejects.toMatchObject({ code: 2 });
});
