import { type PlainObject, yamlText } from "../../lib/yaml-text.ts";
import {
  adminPort,
  apiPort,
  boxEnvironment,
  buildFiles,
  type DeployedSystem,
  type Files,
  graceSeconds,
  haproxyFor,
  haproxyGraceSeconds,
  innerPort,
  keysFolder,
  natsConfig,
  redisCommand,
} from "./picture.ts";

/** Events that one more instance is worth having for: a few seconds of work. */
const lagPerInstance = "5000";
const nats = [0, 1, 2].map((at) => `nats-${at}.nats`);

/** The whole picture for Kubernetes: one file a concern, to be applied together. */
export function kubernetesFiles(system: DeployedSystem): Files {
  const file = (...objects: readonly PlainObject[]) =>
    objects.map((object) => yamlText(object)).join("---\n");
  return {
    ...buildFiles(system),
    "10-nats.yaml": file(...natsObjects()),
    "20-postgres.yaml": file(...postgresObjects()),
    "30-redis.yaml": file(...redisObjects()),
    "40-gateways.yaml": file(...boxObjects(system, "gateway", "gateway", system.config.gateways)),
    "50-workers.yaml": file(
      ...system.workers.flatMap(({ name, instances }) => [
        ...boxObjects(system, `worker-${name}`, `worker:${name}`, undefined),
        scaler(system, name, instances),
      ]),
      scalerKey,
    ),
    "60-admin.yaml": file(...boxObjects(system, "admin", "admin", 1)),
    "70-haproxy.yaml": file(...haproxyObjects(system)),
    "README.md": readme(system),
  };
}

const readme = ({ name }: DeployedSystem): string =>
  [
    `# ${name} on Kubernetes`,
    "",
    "Written by `millrace deploy kubernetes`. Build the Dockerfile, push the image, and set its name in these files.",
    "Secrets stand in none of them; they are made once:",
    "",
    "```sh",
    "kubectl create secret generic millrace \\",
    '  --from-literal=postgres-password="$(openssl rand -hex 32)" \\',
    '  --from-literal=nats-password="$(openssl rand -hex 32)" \\',
    '  --from-literal=cluster-secret="$(openssl rand -hex 32)" \\',
    "  --from-literal=admin-key=KEY --from-file=keys.json",
    "kubectl apply -f .",
    "```",
    "",
    "`keys.json` is made by `millrace keys create`, and `admin-key` is a key of it with the scope `admin`. The",
    "ScaledObjects take KEDA. HAProxy finds the gateways in the domain `cluster.local`; where yours is another, change it",
    "in `70-haproxy.yaml`. The one PostgreSQL server is a beginning: take one that fails over.",
    "",
  ].join("\n");

const meta = (name: string): PlainObject => ({ name, labels: { app: name } });
const fromSecret = (name: string, key: string): PlainObject => ({
  name,
  valueFrom: { secretKeyRef: { name: "millrace", key } },
});

function headless(name: string, port: number): PlainObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: meta(name),
    // Not ready is reached, too: a server that starts must find the others.
    spec: {
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: { app: name },
      ports: [{ name: "main", port }],
    },
  };
}

const budget = (name: string): PlainObject => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: meta(name),
  spec: { maxUnavailable: 1, selector: { matchLabels: { app: name } } },
});

const requests = (cpu: string, memory: string): PlainObject => ({
  requests: { cpu, memory },
  limits: { memory },
});

/** @param replicas undefined where the autoscaler alone decides: else each `apply` undoes that */
function stateful(
  name: string,
  replicas: number | undefined,
  pod: PlainObject,
  storage?: string,
): PlainObject {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: meta(name),
    spec: {
      serviceName: name,
      replicas,
      // One that does not come up must not keep the others from it.
      podManagementPolicy: "Parallel",
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: pod },
      volumeClaimTemplates:
        storage === undefined
          ? undefined
          : [
              {
                metadata: { name: "data" },
                spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
              },
            ],
    },
  };
}

/** Replicas of one thing on one node would go with it together. */
const apart = (name: string): PlainObject => ({
  podAntiAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: 100,
        podAffinityTerm: {
          topologyKey: "kubernetes.io/hostname",
          labelSelector: { matchLabels: { app: name } },
        },
      },
    ],
  },
});

/** Whoever sends requests to a pod must have heard of its end before that comes. */
const noticeSeconds = 5;
const notice: PlainObject = {
  preStop: { exec: { command: ["sleep", String(noticeSeconds)] } },
};

const http = (path: string, port: number): PlainObject => ({ httpGet: { path, port } });

function natsObjects(): PlainObject[] {
  const pod: PlainObject = {
    affinity: apart("nats"),
    terminationGracePeriodSeconds: 60,
    containers: [
      {
        name: "nats",
        image: "nats:2.12-alpine",
        args: ["-c", "/etc/nats/nats.conf"],
        env: [
          { name: "SERVER_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          fromSecret("NATS_PASSWORD", "nats-password"),
        ],
        ports: [{ containerPort: 4_222 }, { containerPort: 6_222 }, { containerPort: 8_222 }],
        readinessProbe: http("/healthz?js-server-only=true", 8_222),
        startupProbe: { ...http("/healthz?js-server-only=true", 8_222), failureThreshold: 90 },
        resources: requests("500m", "1Gi"),
        volumeMounts: [
          { name: "data", mountPath: "/data" },
          { name: "config", mountPath: "/etc/nats" },
        ],
      },
    ],
    volumes: [{ name: "config", configMap: { name: "nats" } }],
  };
  return [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: meta("nats"),
      data: { "nats.conf": natsConfig(nats) },
    },
    headless("nats", 4_222),
    stateful("nats", 3, pod, natsVolume),
    budget("nats"),
  ];
}

/** The servers use three quarters of it, and the queue's stream reserves 20 GiB when it is made. */
const natsVolume = "40Gi";

function postgresObjects(): PlainObject[] {
  const ready = { exec: { command: ["pg_isready", "-U", "millrace"] } };
  const pod: PlainObject = {
    terminationGracePeriodSeconds: 120,
    containers: [
      {
        name: "postgres",
        image: "postgres:17",
        env: [
          { name: "POSTGRES_USER", value: "millrace" },
          { name: "PGDATA", value: "/data/postgres" },
          fromSecret("POSTGRES_PASSWORD", "postgres-password"),
        ],
        ports: [{ containerPort: 5_432 }],
        readinessProbe: ready,
        resources: requests("500m", "1Gi"),
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      },
    ],
  };
  return [headless("postgres", 5_432), stateful("postgres", 1, pod, "20Gi")];
}

/** Nothing of it is kept: losing all of it is an ordinary event. */
function redisObjects(): PlainObject[] {
  const pod: PlainObject = {
    containers: [
      {
        name: "redis",
        image: "redis:8.2",
        command: redisCommand,
        ports: [{ containerPort: 6_379 }],
        readinessProbe: { exec: { command: ["redis-cli", "ping"] } },
        resources: requests("100m", "320Mi"),
      },
    ],
  };
  return [headless("redis", 6_379), stateful("redis", 1, pod)];
}

function boxObjects(
  system: DeployedSystem,
  name: string,
  only: string,
  replicas: number | undefined,
): PlainObject[] {
  const port = name === "admin" ? adminPort : innerPort;
  const pod: PlainObject = {
    affinity: apart(name),
    terminationGracePeriodSeconds: graceSeconds(system) + noticeSeconds,
    securityContext: { runAsNonRoot: true, runAsUser: 1_000, fsGroup: 1_000 },
    containers: [
      {
        name: "millrace",
        image: `${system.name}:latest`,
        args: ["--only", only],
        env: environment(system, name),
        ports: [{ containerPort: port }],
        // Started while the code loads; alive is this process alone, ready is never a dependency.
        startupProbe: { ...http("/livez", port), periodSeconds: 2, failureThreshold: 60 },
        livenessProbe: { ...http("/livez", port), periodSeconds: 10 },
        readinessProbe: { ...http("/readyz", port), periodSeconds: 2, failureThreshold: 2 },
        lifecycle: notice,
        resources: requests("250m", "256Mi"),
        volumeMounts: [
          { name: "data", mountPath: "/data" },
          { name: "keys", mountPath: keysFolder, readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: "data", emptyDir: {} },
      {
        name: "keys",
        secret: { secretName: "millrace", items: [{ key: "keys.json", path: "keys.json" }] },
      },
    ],
  };
  const objects = [headless(name, port), stateful(name, replicas, pod)];
  return name === "admin" ? objects : [...objects, budget(name)];
}

function environment(system: DeployedSystem, name: string): PlainObject[] {
  const plain = boxEnvironment(
    system,
    {
      nats,
      secret: (secret) => `$(${secret})`,
      workers: system.workers.map(
        (worker) => `${worker.name}=http://worker-${worker.name}:${innerPort}`,
      ),
      // The networks that pods have: nobody else reaches a gateway past HAProxy.
      proxies: "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
    },
    name === "admin",
  );
  return [
    fromSecret("NATS_PASSWORD", "nats-password"),
    fromSecret("POSTGRES_PASSWORD", "postgres-password"),
    fromSecret("MILLRACE_CLUSTER_SECRET", "cluster-secret"),
    ...Object.entries(plain).map(([key, value]) => ({ name: key, value })),
  ];
}

/** More instances where events wait, and never more than have partitions: those would idle. */
const scaler = ({ config }: DeployedSystem, worker: string, instances: number): PlainObject => ({
  apiVersion: "keda.sh/v1alpha1",
  kind: "ScaledObject",
  metadata: meta(`worker-${worker}`),
  spec: {
    scaleTargetRef: { kind: "StatefulSet", name: `worker-${worker}` },
    minReplicaCount: instances,
    maxReplicaCount: Math.max(instances, Math.ceil(config.partitions / config.lanes)),
    triggers: [
      {
        type: "metrics-api",
        metadata: {
          url: `http://admin:${adminPort}/workers/${worker}/lag`,
          valueLocation: "events",
          targetValue: lagPerInstance,
          authMode: "bearer",
        },
        authenticationRef: { name: "millrace" },
      },
    ],
  },
});

const scalerKey: PlainObject = {
  apiVersion: "keda.sh/v1alpha1",
  kind: "TriggerAuthentication",
  metadata: { name: "millrace" },
  spec: { secretTargetRef: [{ parameter: "token", name: "millrace", key: "admin-key" }] },
};

function haproxyObjects(system: DeployedSystem): PlainObject[] {
  const gateways = Array.from({ length: system.config.gateways }, (_, at) => ({
    name: `gateway-${at}`,
    // In full: HAProxy asks for names as they stand, without the pods' search list.
    address: { host: `gateway-${at}.gateway.\${NAMESPACE}.svc.cluster.local`, port: innerPort },
  }));
  const config = haproxyFor(system, { host: "0.0.0.0", port: apiPort }, gateways);
  const pod: PlainObject = {
    affinity: apart("haproxy"),
    terminationGracePeriodSeconds: haproxyGraceSeconds(system) + noticeSeconds,
    containers: [
      {
        name: "haproxy",
        image: "haproxy:3.2",
        env: [{ name: "NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } }],
        ports: [{ containerPort: apiPort }],
        readinessProbe: http("/livez", apiPort),
        // Then what runs is finished: the image says that it is stopped by SIGUSR1.
        lifecycle: notice,
        resources: requests("250m", "128Mi"),
        volumeMounts: [{ name: "config", mountPath: "/usr/local/etc/haproxy" }],
      },
    ],
    volumes: [{ name: "config", configMap: { name: "haproxy" } }],
  };
  return [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: meta("haproxy"),
      data: { "haproxy.cfg": config },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: meta("haproxy"),
      spec: {
        type: "LoadBalancer",
        selector: { app: "haproxy" },
        ports: [{ port: 80, targetPort: apiPort }],
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: meta("haproxy"),
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: "haproxy" } },
        template: { metadata: { labels: { app: "haproxy" } }, spec: pod },
      },
    },
    budget("haproxy"),
  ];
}
