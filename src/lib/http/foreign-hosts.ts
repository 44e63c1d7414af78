import { MillraceError } from "../errors.ts";

/**
 * Where nobody has to show who they are, a page of anybody's could read and write once its name
 * leads to this machine (DNS rebinding): then only this machine's own names are answered.
 *
 * @throws MR_HOST_UNKNOWN
 */
export function refuseForeignHost(
  header: string | undefined,
  { remedy, publicHost }: { readonly remedy: string; readonly publicHost?: string | undefined },
): void {
  const host = header?.toLowerCase();
  if (host === undefined || host === publicHost || isOwnName(host)) return;
  throw new MillraceError("MR_HOST_UNKNOWN", `This is not ${header}.`, { remedy });
}

const isOwnName = (host: string): boolean =>
  /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);
