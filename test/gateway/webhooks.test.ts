/**
 * Somebody else's signed requests: only what is signed becomes an event, and each delivery once.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { defineEvent, defineSystem, webhook, webhookEvent } from "millrace";
import { expect, it } from "vitest";
import { z } from "zod";
import { startGateway } from "./support.ts";

const IssueOpened = defineEvent("issue.opened", {
  data: z.object({ repository: z.string(), number: z.number() }),
  key: ({ repository }) => repository,
});
const sign = (body: string | Uint8Array) =>
  `sha256=${createHmac("sha256", "secret").update(body).digest("hex")}`;

const system = defineSystem("tracker", {
  accepts: [],
  workers: [],
  webhooks: [
    webhook({
      path: "/hooks/github",
      events: [IssueOpened],
      verify: ({ headers, rawBody }) => {
        const given = Buffer.from(headers["x-hub-signature-256"] ?? "");
        const right = Buffer.from(sign(rawBody));
        // Throws where the lengths differ: that must count as wrong, not as broken.
        return timingSafeEqual(given, right);
      },
      toEvent: ({ headers, body }) => {
        const { action, ...data } = body as { action: string; repository: string; number: number };
        if (action !== "opened") return undefined;
        return webhookEvent(IssueOpened, data, headers["x-github-delivery"]);
      },
    }),
  ],
});

// The spaces matter: the signature is over these bytes.
const body = '{ "action": "opened",  "repository": "a/b", "number": 7 }';
const send = (text: string, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: {
    ...{ "content-type": "application/json", "x-hub-signature-256": sign(text) },
    ...headers,
  },
  body: text,
});

it("makes an event of a signed request, once for each delivery", async () => {
  const { fetch, stored } = await startGateway({ system });
  const delivery = { "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958" };
  const first = await fetch("/hooks/github", send(body, delivery));
  expect(first.status).toBe(202);
  const again = await fetch("/hooks/github", send(body, delivery));
  expect([again.status, await again.json()]).toMatchObject([202, { duplicate: true }]);
  const [only, ...others] = await stored();
  expect(others).toEqual([]);
  expect(only?.event).toMatchObject({
    id: delivery["x-github-delivery"],
    source: "/tracker/hooks/hooks/github",
    type: "issue.opened",
    key: "a/b",
    data: '{"repository":"a/b","number":7}',
  });
});

it("takes webhook-id for the key of a repeat where the event has no id", async () => {
  const { fetch, stored } = await startGateway({ system });
  for (const duplicate of [undefined, true]) {
    const response = await fetch("/hooks/github", send(body, { "webhook-id": "msg_1" }));
    expect(await response.json()).toMatchObject(duplicate === undefined ? {} : { duplicate });
  }
  expect(await stored()).toHaveLength(1);
});

it("answers 204 to what is of no interest", async () => {
  const { fetch, stored } = await startGateway({ system });
  const response = await fetch("/hooks/github", send('{"action":"closed"}'));
  expect([response.status, await response.text()]).toEqual([204, ""]);
  expect(await stored()).toEqual([]);
});

const refused: [name: string, request: RequestInit, status: number, code: string][] = [
  ["another signature", send(body, { "x-hub-signature-256": sign("other") }), 401, "MR_SIGNATURE"],
  [
    "a signature of another length",
    send(body, { "x-hub-signature-256": "x" }),
    401,
    "MR_SIGNATURE",
  ],
  ["another body", { ...send(body), body: `${body} ` }, 401, "MR_SIGNATURE"],
  [
    "a form",
    send(body, { "content-type": "application/x-www-form-urlencoded" }),
    415,
    "MR_MEDIA_TYPE",
  ],
  ["a body that is no JSON", send("{"), 400, "MR_JSON_INVALID"],
  ["data that does not fit", send('{"action":"opened","repository":5}'), 422, "MR_DATA_INVALID"],
];
it.each(refused)("refuses %s and stores nothing", async (_name, request, status, code) => {
  const { fetch, stored } = await startGateway({ system });
  const response = await fetch("/hooks/github", request);
  expect([response.status, await response.json()]).toMatchObject([status, { code }]);
  expect(await stored()).toEqual([]);
});

it("does not let the event be published without the signature", async () => {
  const { fetch } = await startGateway({ system });
  const headers = { "content-type": "application/json" };
  const response = await fetch("/events/issue.opened", { method: "POST", headers, body: "{}" });
  expect(await response.json()).toMatchObject({ code: "MR_EVENT_UNKNOWN" });
});
