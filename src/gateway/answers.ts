import type { FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../lib/clock.ts";
import type { Receipt } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import { receiptJson } from "./receipts.ts";
import type { Preferences } from "./request-headers.ts";
import { overall, type Standings } from "./standings.ts";

export const jsonType = "application/json; charset=utf-8";

/** Aborts when the client goes away before its answer is out. */
export function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => {
    if (!raw.writableEnded) gone.abort();
  });
  return gone.signal;
}

/**
 * What is left of the time that a client is willing to wait, counted from its request's arrival.
 */
export const waitLeftMs = (
  { call }: FastifyRequest,
  { waitSeconds = 0 }: Preferences,
  clock: Clock,
): number => Math.max(0, call.arrivedMs + waitSeconds * 1_000 - clock.monotonic());

export interface OneAnswer {
  readonly event: EventRecord;
  readonly receipt: Receipt;
  /** The source that needs no telling: that of plain data. */
  readonly ownSource: string;
  readonly preferences: Preferences;
  readonly standings: Standings;
  readonly clock: Clock;
}

/**
 * The answer to one published event: 202 with its receipt, or 200 where the client waited and every
 * worker has applied it in time.
 */
export function answerOne(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: OneAnswer,
): FastifyReply | Promise<FastifyReply> {
  const { event, receipt, ownSource, preferences } = answer;
  request.call.eventId = receipt.id;
  reply.code(202).header("location", locationOf(receipt.id, event.source, ownSource));
  if (preferences.waitSeconds === undefined) return sendReceipt(reply, receipt, preferences);
  return answerInTime(request, reply, answer);
}

async function answerInTime(
  request: FastifyRequest,
  reply: FastifyReply,
  { event, receipt, preferences, standings, clock }: OneAnswer,
): Promise<FastifyReply> {
  const waitMs = waitLeftMs(request, preferences, clock);
  const found = await standings.of(event.type, receipt, waitMs, goneSignal(reply));
  if (overall(found) === "done") reply.code(200);
  return sendReceipt(reply, receipt, preferences);
}

function sendReceipt(
  reply: FastifyReply,
  receipt: Receipt,
  { waitSeconds, minimal }: Preferences,
): FastifyReply {
  if (waitSeconds !== undefined || minimal) {
    const applied = [
      ...(waitSeconds === undefined ? [] : [`wait=${waitSeconds}`]),
      ...(minimal ? ["return=minimal"] : []),
    ];
    reply.header("preference-applied", applied.join(", "));
  }
  if (!minimal) return reply.header("content-type", jsonType).send(receiptJson(receipt));
  // Without a body, the position is told where `Millrace-After` can take it from.
  return reply.header("millrace-position", `${receipt.partition}:${receipt.position}`).send();
}

function locationOf(id: string, source: string, ownSource: string): string {
  const path = `/events/${encodeURIComponent(id)}`;
  return source === ownSource ? path : `${path}?source=${encodeURIComponent(source)}`;
}
