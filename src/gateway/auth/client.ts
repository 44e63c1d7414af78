import { MillraceError } from "../../lib/errors.ts";

/** Who sends a request, as far as authentication tells. */
export interface Client {
  /** Stable over key rotation: idempotency keys and quotas belong to it. */
  readonly id: string;
  readonly scopes: ReadonlySet<string>;
}

/** Who sends where nobody has to say so. */
export const anonymous: Client = { id: "anonymous", scopes: new Set(["*"]) };

/** The words a scope can begin with; all but `*` and `events:read` can name one type or worker. */
const scopePattern =
  /^(?:\*|events:read|events:publish(?::[a-z0-9.-]+)?|(?:queries:read|admin:read|admin:change)(?::[a-z0-9-]+)?)$/;

export const isScope = (scope: string): boolean => scopePattern.test(scope);

/** True where a scope, its general form, or `*` is among the client's. */
export function mayDo({ scopes }: Client, action: string, subject?: string): boolean {
  return (
    scopes.has("*") ||
    scopes.has(action) ||
    (subject !== undefined && scopes.has(`${action}:${subject}`))
  );
}

export const forbidden = (action: string, subject?: string): MillraceError =>
  new MillraceError("MR_FORBIDDEN", "The credentials do not allow this.", {
    remedy: `They need the scope ${subject === undefined ? action : `${action}:${subject}`}.`,
  });
