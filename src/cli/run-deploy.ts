import { access, mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { MillraceError } from "../lib/errors.ts";
import { shortPath } from "../lib/short-path.ts";
import { loadApplication } from "../runtime/application.ts";
import { parseConfig } from "../runtime/config.ts";
import { dataFolderAt } from "../runtime/data-folder.ts";
import { composeFiles } from "../runtime/deploy/compose.ts";
import { kubernetesFiles } from "../runtime/deploy/kubernetes.ts";
import { deployedSystem, type Files, haproxyFor } from "../runtime/deploy/picture.ts";
import { planTopology } from "../runtime/topology.ts";
import type { ExitCode } from "./command.ts";
import type { DeployKind } from "./deploy.ts";
import type { Output } from "./output.ts";

export interface DeployOptions {
  readonly output?: string;
  readonly force?: boolean;
}

interface Call {
  readonly kind: DeployKind;
  readonly app: string;
  readonly folder: string | undefined;
  readonly force: boolean;
  readonly output: Output;
}

/** Writes what another program takes to run the system. Runs nothing itself. */
export async function runDeploy(call: Call): Promise<ExitCode> {
  const { kind, app, folder, output } = call;
  const files = await filesOf(kind, app);
  if (folder === undefined) return print(kind, files, output);
  const path = resolve(folder);
  if (!call.force) await refuseExisting(path, Object.keys(files));
  await mkdir(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  if (output.json) output.value({ kind, folder: path, files: Object.keys(files) });
  else for (const name of Object.keys(files)) output.line(shortPath(join(path, name)));
  return 0;
}

async function filesOf(kind: DeployKind, app: string): Promise<Files> {
  const { config } = parseConfig({}, process.env);
  const definition = await loadApplication(app);
  const system = deployedSystem(definition, relative("", resolve(app)), config);
  if (kind === "compose") return composeFiles(system);
  if (kind === "kubernetes") return kubernetesFiles(system);
  const plans = planTopology(definition, config, dataFolderAt(config.data));
  const balancer = plans.find((plan) => plan.kind === "balancer");
  return { "haproxy.cfg": haproxyFor(system, config, balancer?.gateways ?? []) };
}

function print(kind: DeployKind, files: Files, output: Output): ExitCode {
  if (output.json) {
    output.value({ kind, files });
    return 0;
  }
  const [only, ...others] = Object.values(files);
  if (only === undefined || others.length > 0) {
    throw new MillraceError("MR_USAGE", "It is several files, and no folder is named.", {
      remedy: `Write: millrace deploy ${kind} app.ts --output deploy`,
    });
  }
  output.line(only.trimEnd());
  return 0;
}

async function refuseExisting(folder: string, names: readonly string[]): Promise<void> {
  const existing: string[] = [];
  for (const name of names) {
    await access(join(folder, name)).then(
      () => existing.push(name),
      () => {},
    );
  }
  if (existing.length === 0) return;
  throw new MillraceError("MR_USAGE", `${folder} has ${existing.join(", ")} already.`, {
    remedy: "Nothing was written. Choose another folder, or add --force.",
  });
}
