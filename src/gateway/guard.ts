import type { FastifyReply, FastifyRequest } from "fastify";
import { MillraceError } from "../lib/errors.ts";
import { refuseForeignHost } from "../lib/http/foreign-hosts.ts";
import type { InFlight } from "../lib/http/in-flight.ts";
import { limits } from "../lib/limits.ts";
import { type Auth, authenticate } from "./auth/authenticate.ts";
import { type Client, forbidden, mayDo } from "./auth/client.ts";
import { addressGroup, type RateLimiter } from "./rate-limit.ts";

export { forbidden };

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;
/** At once where nothing has to be waited for: publishing with an API key is the hot path. */
type Check = (request: FastifyRequest, reply: FastifyReply) => undefined | Promise<undefined>;

/** What stands before a route: hooks that run before any byte of the body is read. */
export interface Guard {
  /** Lets everybody in, as often as their address may come. */
  readonly open: Hook;
  /** Asks who it is, and no more: for routes that check the scope once they know the event. */
  readonly known: Hook;
  /** Lets in who has the scope, for the subject that the address names. */
  requires(action: string, subjectOf?: (request: FastifyRequest) => string): Hook;
}

interface GuardOptions {
  /** The public address, where one is set. */
  readonly baseUrl?: string | undefined;
  readonly auth: Auth;
  readonly limiter: RateLimiter | undefined;
  readonly inFlight: InFlight;
}

export function createGuard({ auth, limiter, inFlight, baseUrl }: GuardOptions): Guard {
  const checkHost = hostCheck(auth, baseUrl);

  async function takeQuota(key: string, reply: FastifyReply): Promise<undefined> {
    if (limiter === undefined) return;
    const { policy, state, refusal } = await limiter.take(key);
    reply.header("ratelimit-policy", policy).header("ratelimit", state);
    if (refusal !== undefined) throw refusal;
  }

  function refuseOverload(): void {
    if (inFlight.count <= limits.requestsInFlightMax) return;
    throw new MillraceError("MR_OVERLOADED", "Too many requests are under way.", {
      retryAfterSeconds: 1,
    });
  }

  const open: Check = (request, reply) => {
    refuseOverload();
    checkHost(request);
    const { call } = request;
    return limiter === undefined ? undefined : takeQuota(addressGroup(call.address()), reply);
  };

  const known: Check = (request, reply) => {
    refuseOverload();
    checkHost(request);
    if (limiter !== undefined) return knownAndCounted(request, reply);
    const client = authenticate(auth, request.headers.authorization);
    if (client instanceof Promise) return client.then((found) => remember(request, found));
    return remember(request, client);
  };

  async function knownAndCounted(request: FastifyRequest, reply: FastifyReply): Promise<undefined> {
    const { call } = request;
    try {
      remember(request, await authenticate(auth, request.headers.authorization));
    } catch (error) {
      // Guessing is counted too, by address.
      await takeQuota(addressGroup(call.address()), reply);
      throw error;
    }
    return takeQuota(auth.mode === "open" ? addressGroup(call.address()) : call.client.id, reply);
  }

  const requires: Guard["requires"] = (action, subjectOf) => {
    const requireScope = (request: FastifyRequest): undefined => {
      const subject = subjectOf?.(request);
      if (!mayDo(request.call.client, action, subject)) throw forbidden(action, subject);
    };
    return toHook((request, reply) => {
      const pending = known(request, reply);
      return pending === undefined
        ? requireScope(request)
        : pending.then(() => requireScope(request));
    });
  };

  return { open: toHook(open), known: toHook(known), requires };
}

/** Only where nobody has to show who they are does the host matter. */
function hostCheck(auth: Auth, baseUrl: string | undefined): (request: FastifyRequest) => void {
  if (auth.mode !== "open") return () => {};
  const publicHost = baseUrl === undefined ? undefined : new URL(baseUrl).host.toLowerCase();
  const remedy = "Without authentication only localhost is answered; see MILLRACE_PUBLIC_URL.";
  return ({ headers }) => refuseForeignHost(headers.host, { publicHost, remedy });
}

function remember({ call }: FastifyRequest, client: Client): undefined {
  call.client = client;
}

const toHook =
  (check: Check): Hook =>
  (request, reply, done) => {
    const pending = check(request, reply);
    if (pending === undefined) done();
    else pending.then(() => done(), done);
  };
