import type { FastifyInstance, FastifyRequest } from "fastify";
import { asError, MillraceError } from "../../lib/errors.ts";
import { decodeUtf8, parseJson } from "../../lib/json.ts";
import type { Log } from "../../lib/log.ts";
import type { WebhookDefinition, WebhookEvent, WebhookRequest } from "../../system/webhook.ts";
import { answerOne } from "../answers.ts";
import { fingerprintOf } from "../event-ids.ts";
import { readMediaType, refuseLargeBody } from "../incoming-body.ts";
import { isJson } from "../media-type.ts";
import { parseIdempotencyKey } from "../request-headers.ts";
import type { RouteTools } from "./tools.ts";

/** `POST` at a webhook's path: somebody else's signed request becomes an event, or nothing. */
export function webhookRoutes(app: FastifyInstance, tools: RouteTools): void {
  for (const webhook of tools.system.webhooks) webhookRoute(app, webhook, tools);
}

function webhookRoute(app: FastifyInstance, webhook: WebhookDefinition, tools: RouteTools): void {
  const { guard, publisher, standings, clock, log } = tools;
  const source = `/${tools.system.name}/hooks${webhook.path}`;
  const onRequest = [
    // The signature says who sends; there is no key to ask for.
    guard.open,
    async (request: FastifyRequest) => {
      readMediaType(request, (media) => media !== undefined && isJson(media));
      refuseLargeBody(request);
    },
  ];
  app.post(webhook.path, { onRequest }, async (request, reply) => {
    const incoming = webhookRequest(request);
    await requireSignature(webhook, incoming, log);
    const made = await toEvent(webhook, incoming);
    if (made === undefined) return reply.code(204).send();
    const deliveryId = parseIdempotencyKey(request.headers["webhook-id"]);
    const identity = tools.identities.of(request, `POST ${webhook.path}`, deliveryId);
    try {
      const event = await publisher.make(made.event, made.data, {
        id: made.id ?? identity.ids(0),
        source,
        time: publisher.now(),
        attributes: {},
      });
      const fingerprint =
        identity.isKeyed && made.id === undefined
          ? { fingerprint: fingerprintOf(event.type, incoming.rawBody, undefined) }
          : {};
      const receipt = await publisher.append({ event, ...fingerprint }, request.call);
      const preferences = { waitSeconds: undefined, minimal: false };
      const ownSource = publisher.source;
      return await answerOne(request, reply, {
        ...{ event, receipt, ownSource, preferences, standings, clock },
      });
    } finally {
      identity.release();
    }
  });
}

function webhookRequest({ headers, body }: FastifyRequest): WebhookRequest {
  const single = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
  return { headers: Object.fromEntries(single), rawBody: body as Buffer };
}

/** An error in `verify` counts as a wrong signature: what cannot be checked is not let in. */
async function requireSignature(
  webhook: WebhookDefinition,
  incoming: WebhookRequest,
  log: Log,
): Promise<void> {
  let isValid = false;
  try {
    isValid = (await webhook.verify(incoming)) === true;
  } catch (error) {
    log.warn({ err: asError(error), path: webhook.path }, "Checking a webhook's signature failed.");
  }
  if (isValid) return;
  throw new MillraceError("MR_SIGNATURE", "The webhook's signature is wrong.", {
    remedy: "Sender and system must share the same secret.",
  });
}

async function toEvent(
  webhook: WebhookDefinition,
  incoming: WebhookRequest,
): Promise<WebhookEvent | undefined> {
  const body = parseJson(decodeUtf8(incoming.rawBody));
  return await webhook.toEvent({ ...incoming, body });
}
