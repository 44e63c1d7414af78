import type { FastifyReply, FastifyRequest } from "fastify";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { type Auth, authenticate } from "./auth/authenticate.ts";
import { mayDo } from "./auth/client.ts";
import type { InFlight } from "./in-flight.ts";
import { addressGroup, type RateLimiter } from "./rate-limit.ts";

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

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
  readonly auth: Auth;
  readonly limiter: RateLimiter | undefined;
  readonly inFlight: InFlight;
}

export function createGuard({ auth, limiter, inFlight }: GuardOptions): Guard {
  async function takeQuota(key: string, reply: FastifyReply): Promise<void> {
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

  const open: Hook = async ({ call }, reply) => {
    refuseOverload();
    await takeQuota(addressGroup(call.address), reply);
  };

  const known: Hook = async (request, reply) => {
    refuseOverload();
    const { call } = request;
    try {
      call.client = await authenticate(auth, request.headers.authorization);
    } catch (error) {
      // Guessing is counted too, by address.
      await takeQuota(addressGroup(call.address), reply);
      throw error;
    }
    if (limiter === undefined) return;
    await takeQuota(auth.mode === "open" ? addressGroup(call.address) : call.client.id, reply);
  };

  const requires: Guard["requires"] = (action, subjectOf) => async (request, reply) => {
    await known(request, reply);
    const subject = subjectOf?.(request);
    if (!mayDo(request.call.client, action, subject)) throw forbidden(action, subject);
  };

  return { open, known, requires };
}

export const forbidden = (action: string, subject?: string): MillraceError =>
  new MillraceError("MR_FORBIDDEN", "The credentials do not allow this.", {
    remedy: `They need the scope ${subject === undefined ? action : `${action}:${subject}`}.`,
  });
