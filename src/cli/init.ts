import { type DefineCommand, describe, runs } from "./command.ts";

/** `millrace init [folder]` */
export const define: DefineCommand = (command) => {
  command
    .argument("[folder]", "where to write it; asked for on a terminal")
    .option("--name <name>", "the application's name; the folder's where not given");
  describe(command, "Writes a small new application that runs. Overwrites nothing.", [
    "init my-app",
    "init services/orders --name orders",
  ]);
  runs<{ name?: string }>(command, async ({ args, options, output }) => {
    const { runInit } = await import("./run-init.ts");
    return await runInit({ folder: args[0], name: options.name, output });
  });
};
