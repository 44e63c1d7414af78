import { MillraceError } from "../lib/errors.ts";

/**
 * Loads an engine whose driver is a package that not everybody has installed.
 *
 * @param packages what `npm install` takes
 * @throws MR_DRIVER_MISSING with that command
 */
export async function withDriver<Module>(
  load: () => Promise<Module>,
  variable: string,
  packages: string,
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    const message = `${variable} asks for an engine whose driver is not installed: ${packages}.`;
    throw new MillraceError("MR_DRIVER_MISSING", message, {
      cause,
      remedy: `npm install ${packages}`,
    });
  }
}
