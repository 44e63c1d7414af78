import { MillraceError } from "../lib/errors.ts";

/** What `npm install` must bring for an engine that not everybody uses. */
export const natsDrivers = ["@nats-io/transport-node", "@nats-io/jetstream"] as const;

/**
 * Loads an engine whose drivers are optional.
 *
 * @throws MR_DRIVER_MISSING where they are not installed
 */
export async function driven<Engine>(
  name: string,
  drivers: readonly string[],
  loading: Promise<Engine>,
): Promise<Engine> {
  try {
    return await loading;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isDriver = drivers.some((driver) => message.includes(`'${driver}'`));
    if (code !== "ERR_MODULE_NOT_FOUND" || !isDriver) throw error;
    throw new MillraceError("MR_DRIVER_MISSING", `The packages for ${name} are not installed.`, {
      cause: error,
      remedy: `Install them:  npm install ${drivers.join(" ")}`,
    });
  }
}
