import { KeyStore, type StoredKey } from "../gateway/auth/key-store.ts";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { type Flags, parseConfig } from "../runtime/config.ts";
import { keysFile, openDataFolder } from "../runtime/data-folder.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

interface Call {
  readonly flags: Flags;
  readonly output: Output;
}

interface Creation extends Call {
  readonly client: string;
  readonly scopes: readonly string[];
  readonly days: string | undefined;
}

/** Keys can be made before the first start, so the data folder is made where there is none. */
async function openKeys(flags: Flags): Promise<KeyStore> {
  const { config } = parseConfig(flags, process.env);
  const data = await openDataFolder(config.data);
  return await KeyStore.open({ file: keysFile(config, data), clock: systemClock });
}

export async function createKey({
  client,
  scopes,
  days,
  flags,
  output,
}: Creation): Promise<ExitCode> {
  const expiry = days === undefined ? {} : { expiresAt: systemClock.now() + daysOf(days) * 86.4e6 };
  const store = await openKeys(flags);
  const { key, ...stored } = await store.create({ client, scopes, ...expiry });
  if (output.json) {
    output.value({ ...shown(stored), key });
    return 0;
  }
  output.line(key);
  output.progress(
    `The key of ${client}, id ${stored.id}. It is shown this once; only its hash is kept.`,
  );
  output.progress("Clients send it as: authorization: Bearer <key>");
  return 0;
}

export async function listKeys({ flags, output }: Call): Promise<ExitCode> {
  const keys = (await openKeys(flags)).list();
  if (output.json) {
    output.value(keys.map(shown));
    return 0;
  }
  if (keys.length === 0) output.progress("No keys. Make one: millrace keys create NAME");
  for (const stored of keys) {
    const { id, client, state, scopes, createdAt } = shown(stored);
    output.line(`${id}  ${client}  ${state}  ${scopes.join(",")}  ${createdAt}`);
  }
  return 0;
}

export async function revokeKey({ id, flags, output }: Call & { id: string }): Promise<ExitCode> {
  const store = await openKeys(flags);
  if (!(await store.revoke(id))) {
    throw new MillraceError("MR_USAGE", `There is no key with the id ${id}.`, {
      remedy: "millrace keys list tells the ids.",
    });
  }
  if (output.json) output.value({ id, state: "revoked" });
  else output.line(`${id}  revoked`);
  return 0;
}

/** A key without its hash, which is nobody's business. */
function shown({ sha256: _hash, ...key }: StoredKey) {
  const isOver = key.expiresAt !== undefined && Date.parse(key.expiresAt) <= systemClock.now();
  const state = key.revokedAt !== undefined ? "revoked" : isOver ? "expired" : "live";
  return { ...key, state };
}

function daysOf(text: string): number {
  const days = Number(text);
  if (Number.isFinite(days) && days > 0 && days <= 36_500) return days;
  throw new MillraceError("MR_USAGE", `--days is ${JSON.stringify(text)}, not a number of days.`);
}
