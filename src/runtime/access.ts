import { assertAuthConfigured } from "../gateway/auth/authenticate.ts";
import type { Config } from "./config.ts";

/**
 * Neither port is open to other machines without asking who they are.
 *
 * @throws MR_AUTH_REQUIRED
 */
export function assertAccessSafe({ host, adminHost, adminPort, auth }: Config): void {
  const mode = auth.includes("open") ? "open" : "required";
  assertAuthConfigured(host, { mode });
  if (adminPort !== "off") assertAuthConfigured(adminHost, { mode });
}
