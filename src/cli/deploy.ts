import type { Command } from "commander";
import { type DefineCommand, describe, runs } from "./command.ts";
import type { DeployOptions } from "./run-deploy.ts";

const kinds = {
  haproxy: "Writes a configuration for HAProxy in place of the embedded load balancer.",
  compose: "Writes what Docker Compose takes to run the whole picture on its engines.",
  kubernetes: "Writes manifests for the whole picture on Kubernetes.",
} as const;

export type DeployKind = keyof typeof kinds;

/** `millrace deploy haproxy|compose|kubernetes app.ts` */
export const define: DefineCommand = (command) => {
  for (const kind of Object.keys(kinds) as DeployKind[]) defineKind(command.command(kind), kind);
};

function defineKind(command: Command, kind: DeployKind): void {
  command
    .argument("<app>", "the application's file")
    .option("--output <folder>", "where to write; else one file goes to stdout")
    .option("--force", "write over what is there");
  describe(command.summary(kinds[kind]), kinds[kind], [
    `deploy ${kind} app.ts --output deploy`,
    ...(kind === "haproxy" ? ["deploy haproxy app.ts > haproxy.cfg"] : []),
  ]);
  runs<DeployOptions>(command, async ({ args, options, output }) => {
    const { runDeploy } = await import("./run-deploy.ts");
    const { output: folder, force = false } = options;
    return await runDeploy({ kind, app: args[0] ?? "", folder, force, output });
  });
}
