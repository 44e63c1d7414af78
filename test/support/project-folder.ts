import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../../", import.meta.url));

/** A folder in which `millrace` and its companions are installed, as `npm install` leaves it. */
export async function projectFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "millrace-guide-"));
  await mkdir(join(path, "node_modules", ".bin"), { recursive: true });
  await symlink(repository, join(path, "node_modules", "millrace"));
  for (const name of ["zod", "kysely", "@types"]) {
    await symlink(join(repository, "node_modules", name), join(path, "node_modules", name));
  }
  const command = join(repository, "bin", "millrace.mjs");
  await symlink(command, join(path, "node_modules", ".bin", "millrace"));
  await writeFile(join(path, "package.json"), '{ "type": "module", "private": true }\n');
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
