import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace keys …` */
export const define: DefineCommand = (command) => {
  const create = command.command("create").summary("make an API key; it is shown once");
  addConfigOptions(create.argument("<client>", "who uses it: letters, digits, . _ -"), ["data"])
    .option(
      "--scope <scopes>",
      "what it may do, by comma",
      "events:publish,events:read,queries:read",
    )
    .option("--days <number>", "how long it is valid; for ever where not given");
  describe(create, "Makes an API key for a client. It is shown once and stored as a hash.", [
    "keys create web-shop",
    "keys create web-shop --scope events:publish:post.published --days 90",
    "keys create admin --scope '*'",
  ]);
  runs<{ scope: string; days?: string }>(create, async ({ args, options, output }) => {
    const { createKey } = await import("./run-keys.ts");
    const flags = flagsOf(options, ["data"]);
    const scopes = options.scope.split(",").map((scope) => scope.trim());
    return await createKey({ client: args[0] ?? "", scopes, days: options.days, flags, output });
  });

  const list = command.command("list").summary("list the API keys, without the keys themselves");
  addConfigOptions(list, ["data"]);
  describe(list, "Lists the API keys: whose they are, what they may do, until when.", [
    "keys list",
  ]);
  runs(list, async ({ options, output }) => {
    const { listKeys } = await import("./run-keys.ts");
    return await listKeys({ flags: flagsOf(options, ["data"]), output });
  });

  const revoke = command.command("revoke").summary("end an API key at once");
  addConfigOptions(revoke.argument("<id>", "the key's id, as `keys list` tells it"), ["data"]);
  describe(revoke, "Ends an API key. Running gateways notice within seconds.", [
    "keys revoke 3f9a0c1d2e4b",
  ]);
  runs(revoke, async ({ args, options, output }) => {
    const { revokeKey } = await import("./run-keys.ts");
    return await revokeKey({ id: args[0] ?? "", flags: flagsOf(options, ["data"]), output });
  });
};
