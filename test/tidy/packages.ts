import { importsOf, packageOf } from "./imports.ts";
import type { Findings, Source } from "./source.ts";

/** Where in `src/` each technology may be named, by the beginnings of paths. */
export const packagePlaces: Readonly<Record<string, readonly string[]>> = {
  "@fastify/static": ["gateway/"],
  "@fastify/swagger": ["gateway/"],
  "@fastify/swagger-ui": ["gateway/"],
  "@nats-io/jetstream": ["engines/nats/"],
  "@nats-io/transport-node": ["engines/nats/"],
  "@opentelemetry/api": ["tracing/"],
  "@opentelemetry/sdk-trace": ["tracing/"],
  "@redis/client": ["engines/redis/"],
  "@standard-schema/spec": ["system/"],
  chokidar: ["runtime/"],
  "cli-table3": ["cli/"],
  "close-with-grace": ["runtime/"],
  commander: ["cli/"],
  croner: ["system/schedule.ts"],
  fastify: ["gateway/", "runtime/"],
  jose: ["gateway/auth/"],
  // The SQL builder is a part of what handlers see, so its types are the public face's, too.
  kysely: [
    "system/",
    "database/",
    "worker/",
    "engines/sqlite/",
    "engines/postgres/",
    "conformance/database/",
    "move/postgres-tables.ts",
    "drill/app.ts",
  ],
  "lru-cache": ["engines/memory/"],
  pg: ["engines/postgres/"],
  pino: ["runtime/"],
  "pino-pretty": ["runtime/"],
  "prom-client": ["tracing/"],
  "rate-limiter-flexible": ["gateway/", "engines/redis/"],
  "structured-headers": ["gateway/", "lib/"],
  // Wherever one box asks another over HTTP.
  undici: ["gateway/auth/", "engines/http/", "drill/", "trial/"],
  zod: ["runtime/", "gateway/auth/", "drill/app.ts"],
  "node:sqlite": ["engines/sqlite/sqlite.ts"],
};

/** Packages that the code names otherwise than by an import: pino loads its printer by name. */
const namedInText: Readonly<Record<string, RegExp>> = { "pino-pretty": /["']pino-pretty["']/ };

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** The drivers of engines that not everybody uses: whoever does installs them. */
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * What is installed for everybody is used; and what is used is installed, in exactly one version.
 * Drivers of optional engines are the exception: they are tried in exactly one version.
 */
export function dependencyFaults(sources: readonly Source[], manifest: Manifest): Findings {
  const inSource = sources.filter(({ path }) => path.startsWith("src/"));
  const used = new Set(
    inSource
      .flatMap(importsOf)
      .filter(({ isRelative }) => !isRelative)
      .map(({ to }) => packageOf(to)),
  );
  for (const [name, pattern] of Object.entries(namedInText)) {
    if (inSource.some(({ text }) => pattern.test(text))) used.add(name);
  }
  const declared = manifest.dependencies ?? {};
  const drivers = Object.keys(manifest.peerDependencies ?? {});
  const versions = Object.entries({ ...declared, ...manifest.devDependencies });
  return [
    ...Object.keys(declared)
      .filter((name) => !used.has(name))
      .map((name) => `package.json: nothing in src/ uses ${name}`),
    ...[...used]
      .filter((name) => !name.startsWith("node:") && declared[name] === undefined)
      .filter((name) => !drivers.includes(name))
      .map((name) => `package.json: src/ uses ${name}, which is not in dependencies`),
    ...drivers
      .filter((name) => manifest.devDependencies?.[name] === undefined)
      .map((name) => `package.json: the driver ${name} is not among devDependencies, so untried`),
    ...versions
      .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      .map(([name, version]) => `package.json: ${name} is ${version}, not one exact version`),
  ];
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Nobody who installs Millrace runs a stranger's script. */
export const installScripts = ({ packages }: Lockfile): Findings =>
  Object.entries(packages)
    .filter(([path, { dev, hasInstallScript }]) => path !== "" && hasInstallScript && !dev)
    .map(([path]) => `package-lock.json: ${path} has an install script`);

/**
 * `npm ci` refuses a lockfile in which anything is missing, another system's build included. Npm
 * leaves those out by itself where the registry at hand did not have them.
 */
export const missingFromLock = ({ packages }: Lockfile): Findings =>
  Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !placesOf(name, path).some((place) => place in packages))
      .map((name) => `package-lock.json: ${path || "the package"} needs ${name}, it is missing`),
  );

/** Where Node looks for a package: in each folder from the one that needs it up to the root. */
function placesOf(name: string, neededBy: string): string[] {
  const folders = neededBy.split("/");
  const below = folders.map((_, depth) => folders.slice(0, depth + 1).join("/"));
  return [...below.map((folder) => `${folder}/node_modules/${name}`), `node_modules/${name}`];
}
