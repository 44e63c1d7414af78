/**
 * What the API says of itself: an OpenAPI document that a validator accepts, for the recursive
 * schemas of all three libraries too; schemas, problem pages, the application's page.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Validator } from "@seriousme/openapi-schema-validator";
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { scope } from "arktype";
import { defineEvent, defineSystem, type SystemDefinition } from "millrace";
import * as v from "valibot";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { openApiDocument } from "../../src/gateway/documents/openapi.ts";
import { errorCodes } from "../../src/lib/error-codes.ts";
import { social, startGateway } from "./support.ts";

async function expectValid(document: object): Promise<void> {
  const result = await new Validator().validate(structuredClone(document) as never);
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
  for (const reference of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = (reference[1] ?? "")
      .split("/")
      .reduce<unknown>(
        (node, step) => (node as Record<string, unknown> | undefined)?.[step],
        document,
      );
    expect(target, `what ${reference[1]} points to`).toBeDefined();
  }
}

it("describes every address of the system, validly", async () => {
  const { fetch } = await startGateway();
  const response = await fetch("/openapi.json");
  expect(response.headers.get("content-type")).toContain("application/json");
  const document = (await response.json()) as { openapi: string; paths: object };
  await expectValid(document);
  expect(document.openapi).toBe("3.1.0");
  expect(Object.keys(document.paths)).toEqual([
    ...["/events", "/events/post.published", "/events/{id}", "/events/{id}/trace"],
    ...["/timelines/home", "/openapi.json", "/schemas/{type}", "/problems/{slug}"],
    ...["/livez", "/readyz"],
  ]);
  expect(document).toMatchObject({
    paths: {
      "/timelines/home": {
        get: { parameters: [{ name: "user", in: "query", required: true }, {}, {}] },
      },
      "/events/post.published": {
        post: {
          requestBody: {
            content: {
              "application/json": { schema: { $ref: "#/components/schemas/post.published" } },
              "application/x-ndjson": {},
            },
          },
        },
      },
    },
    components: { schemas: { "post.published": { properties: { text: { maxLength: 500 } } } } },
  });
});

const Tree = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
});
interface Branch {
  name: string;
  children: Branch[];
}
const ValibotTree: v.GenericSchema<Branch> = v.object({
  name: v.string(),
  children: v.array(v.lazy(() => ValibotTree)),
});
const ArkTree = scope({ tree: { name: "string", children: "tree[]" } }).export().tree;

it("keeps recursive schemas whole, whichever library made them", async () => {
  const event = (type: string, data: z.ZodType) => defineEvent(type, { data, key: () => "one" });
  const system: SystemDefinition = defineSystem("trees", {
    accepts: [
      event("tree.itself", Tree),
      event("tree.within", z.object({ first: Tree, "a/b": z.literal("$ref") })),
      defineEvent("tree.valibot", { data: toStandardJsonSchema(ValibotTree), key: () => "one" }),
      defineEvent("tree.plain-valibot", { data: ValibotTree, key: () => "one" }),
      defineEvent("tree.arktype", { data: ArkTree, key: () => "one" }),
      event("tree.date", z.object({ at: z.date() })),
    ],
    workers: [],
  });
  const document = openApiDocument(system, { isSecured: true, baseUrl: "https://api.test" });
  await expectValid(document);
  expect(document).toMatchObject({
    security: [{ bearer: [] }],
    servers: [{ url: "https://api.test" }],
    components: {
      schemas: {
        "tree.itself": {
          properties: { children: { items: { $ref: "#/components/schemas/tree.itself" } } },
        },
        "tree.plain-valibot": {},
        "tree.date": {},
      },
    },
  });
  expect(JSON.stringify(document)).not.toContain("$defs");
});

it("serves each event's schema", async () => {
  const { fetch } = await startGateway();
  const response = await fetch("/schemas/post.published");
  expect(response.headers.get("content-type")).toBe("application/schema+json");
  expect(await response.json()).toMatchObject({
    $id: "/schemas/post.published",
    $schema: "https://json-schema.org/draft/2020-12/schema",
    required: ["author", "text"],
  });
  expect((await fetch("/schemas/nothing")).status).toBe(404);
});

it("serves a page for every problem type", async () => {
  const { fetch } = await startGateway();
  for (const [code, { slug }] of Object.entries(errorCodes)) {
    const response = await fetch(`/problems/${slug}`);
    expect([slug, response.status]).toEqual([slug, 200]);
    expect(await response.text()).toContain(code);
  }
  expect((await fetch("/problems/nothing")).status).toBe(404);
});

it("serves its documentation without anything from elsewhere", async () => {
  const { fetch } = await startGateway();
  const page = await fetch("/docs/");
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/https:|upgrade-insecure-requests|swagger\.io/);
  expect(page.status).toBe(200);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
  expect(await page.text()).not.toMatch(/(?:src|href)="https?:/);
});

it("serves the application's page with headers that keep everything else out", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millrace-page-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "index.html"), "<h1>Social</h1>");
  await writeFile(join(folder, "app.js"), "export {};");
  await writeFile(join(folder, ".secret"), "no");
  const page = pathToFileURL(`${folder}/`);
  const { fetch } = await startGateway({ system: { ...social, page } });
  const index = await fetch("/");
  expect([index.status, await index.text()]).toEqual([200, "<h1>Social</h1>"]);
  expect(index.headers.get("content-security-policy")).toBe(
    "default-src 'self'; frame-ancestors 'none'",
  );
  expect(index.headers.get("x-content-type-options")).toBe("nosniff");
  expect((await fetch("/app.js")).headers.get("content-type")).toContain("javascript");
  for (const hidden of ["/.secret", "/missing.js", "/%2e%2e%2fetc%2fpasswd"]) {
    expect([hidden, (await fetch(hidden)).status]).toEqual([hidden, 404]);
  }
  expect((await fetch("/timelines/home?user=a")).status, "queries come first").toBe(200);
});

it("has nothing at / without a page", async () => {
  const { fetch } = await startGateway();
  const response = await fetch("/");
  expect([response.status, await response.json()]).toMatchObject([404, { code: "MR_NOT_FOUND" }]);
});
