/**
 * Who may do what: API keys with their life and scopes, and tokens with one forged token for each
 * clause of the checks. A refused request stores nothing, and no key is ever told.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { apiKeyId, makeApiKey } from "../../src/gateway/auth/api-key.ts";
import { assertAuthConfigured } from "../../src/gateway/auth/authenticate.ts";
import { KeyStore } from "../../src/gateway/auth/key-store.ts";
import { isPublicAddress, publicFetch } from "../../src/gateway/auth/public-fetch.ts";
import { createTokenVerifier, type TokenVerifier } from "../../src/gateway/auth/token.ts";
import { limits } from "../../src/lib/limits.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { handClock } from "../support/hand-clock.ts";
import { ada, json, startGateway } from "./support.ts";

const path = "/events/post.published";
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function keyFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "millrace-keys-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "keys.json");
}

it("lets in who has a key, and stores only its hash, for its user alone", async () => {
  const file = await keyFile();
  const keys = await KeyStore.open({ file, clock: handClock() });
  const { key, id } = await keys.create({ client: "shop", scopes: ["events:publish"] });
  expect(key).toMatch(/^mr_[0-9a-f]{12}_[0-9a-f]{72}$/);
  expect(await readFile(file, "utf8")).not.toContain(key.slice(16));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const { fetch, stored } = await startGateway({ auth: { mode: "required", keys } });
  expect((await fetch(path, json(ada, bearer(key)))).status).toBe(202);
  expect(await stored()).toHaveLength(1);
  expect(keys.list().map((stored) => stored.id)).toEqual([id]);
});

it("tells keys from lookalikes by their checksum alone", () => {
  const { key, id } = makeApiKey(systemRandom);
  expect(apiKeyId(key)).toBe(id);
  const last = key.endsWith("0") ? "1" : "0";
  expect(apiKeyId(key.slice(0, -1) + last)).toBeUndefined();
  expect(apiKeyId(key.toUpperCase())).toBeUndefined();
});

it("refuses a missing, wrong, expired or revoked key, and stores nothing", async () => {
  const clock = handClock(Date.now());
  const keys = await KeyStore.open({ file: await keyFile(), clock });
  const expiring = await keys.create({
    ...{ client: "a", scopes: ["*"], expiresAt: clock.now() + 60_000 },
  });
  const revoked = await keys.create({ client: "b", scopes: ["*"] });
  await keys.revoke(revoked.id);
  const unknown = makeApiKey(systemRandom).key;
  const forged = `mr_${expiring.id}_${unknown.slice(16)}`;
  const { fetch, stored } = await startGateway({ auth: { mode: "required", keys } });
  expect((await fetch(path, json({ wrong: 1 }, bearer(expiring.key)))).status).toBe(422);
  clock.advance(60_000);
  const attempts: Record<string, Record<string, string>> = {
    missing: {},
    "another scheme": { authorization: `Basic ${expiring.key}` },
    empty: { authorization: "Bearer " },
    unknown: bearer(unknown),
    forged: bearer(forged),
    expired: bearer(expiring.key),
    revoked: bearer(revoked.key),
    "a token where none is taken": bearer("aaa.bbb.ccc"),
  };
  for (const [name, headers] of Object.entries(attempts)) {
    const response = await fetch(path, json(ada, headers));
    const text = await response.text();
    expect([name, response.status]).toEqual([name, 401]);
    expect(text).toContain("MR_UNAUTHENTICATED");
    expect(text).not.toContain("mr_");
    const shown = response.headers.get("www-authenticate");
    expect(shown).toMatch(/^Bearer( error="invalid_token")?$/);
  }
  expect(await stored()).toEqual([]);
});

it("lets each key do what its scopes say", async () => {
  const keys = await KeyStore.open({ file: await keyFile(), clock: handClock() });
  const keyWith = async (scope: string) =>
    (await keys.create({ client: scope.replaceAll(":", "-"), scopes: [scope] })).key;
  const { fetch } = await startGateway({ auth: { mode: "required", keys } });
  const statuses = async (scope: string) => {
    const headers = bearer(await keyWith(scope));
    const event = { specversion: "1.0", id: "1", source: "/x", type: "post.published", data: ada };
    const structured = { ...headers, "content-type": "application/cloudevents+json" };
    const responses = [
      await fetch(path, json(ada, headers)),
      await fetch("/events", { method: "POST", headers: structured, body: JSON.stringify(event) }),
      await fetch("/events/nothing", { headers }),
      await fetch("/timelines/home?user=a", { headers }),
    ];
    return responses.map(({ status }) => status);
  };
  expect(await statuses("events:publish")).toEqual([202, 202, 403, 403]);
  expect(await statuses("events:publish:post.published")).toEqual([202, 202, 403, 403]);
  expect(await statuses("events:publish:other.thing")).toEqual([403, 403, 403, 403]);
  expect(await statuses("events:read")).toEqual([403, 403, 404, 403]);
  expect(await statuses("queries:read")).toEqual([403, 403, 403, 200]);
  expect(await statuses("queries:read:timelines")).toEqual([403, 403, 403, 200]);
  expect(await statuses("queries:read:other")).toEqual([403, 403, 403, 403]);
});

it("keeps two clients' idempotency keys apart, and one client's through a rotation", async () => {
  const keys = await KeyStore.open({ file: await keyFile(), clock: handClock() });
  const old = await keys.create({ client: "shop", scopes: ["*"] });
  const next = await keys.create({ client: "shop", scopes: ["*"] });
  const other = await keys.create({ client: "other", scopes: ["*"] });
  const { fetch, stored } = await startGateway({ auth: { mode: "required", keys } });
  for (const { key } of [old, next, other]) {
    await fetch(path, json(ada, { ...bearer(key), "idempotency-key": "same" }));
  }
  expect(await stored()).toHaveLength(2);
  await expect(keys.create({ client: "shop", scopes: ["*"] })).rejects.toMatchObject({
    code: "MR_CONFIG_INVALID",
  });
});

it("follows changes of the key file, and keeps what it knows where the file is broken", async () => {
  const file = await keyFile();
  const clock = handClock();
  const keys = await KeyStore.open({ file, clock });
  const errors: unknown[] = [];
  keys.follow((error) => errors.push(error));
  onTestFinished(() => keys[Symbol.dispose]());
  const command = await KeyStore.open({ file, clock });
  const { key, id } = await command.create({ client: "shop", scopes: ["*"] });
  const seen = () => {
    clock.advance(limits.apiKeysRereadMs);
    return keys.verify(key)?.id;
  };
  await vi.waitFor(() => expect(seen()).toBe("shop"));
  await writeFile(file, "{");
  await vi.waitFor(() => {
    seen();
    expect(errors).not.toEqual([]);
  });
  expect(keys.verify(key)?.id).toBe("shop");
  await command.revoke(id).catch(() => {});
  await expect(KeyStore.open({ file, clock })).rejects.toMatchObject({ code: "MR_CONFIG_INVALID" });
});

it("refuses a scope that is none", async () => {
  const keys = await KeyStore.open({ file: await keyFile(), clock: handClock() });
  await expect(keys.create({ client: "a", scopes: ["events:all"] })).rejects.toMatchObject({
    code: "MR_CONFIG_INVALID",
  });
});

// Tokens. Everything below signs with the right key unless it says otherwise.
const issuer = "https://issuer.test/";
const audience = "https://api.test/";
const clock = handClock(Date.parse("2026-01-01T00:00:00Z"));
const now = clock.now() / 1_000;
type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
type SigningKey = KeyPair["privateKey"];
let right: KeyPair;
let wrong: KeyPair;
let verifier: TokenVerifier;

beforeAll(async () => {
  right = await generateKeyPair("RS256", { extractable: true });
  wrong = await generateKeyPair("RS256", { extractable: true });
  const folder = await mkdtemp(join(tmpdir(), "millrace-jwt-"));
  const file = join(folder, "issuer.pem");
  await writeFile(file, await exportSPKI(right.publicKey));
  verifier = await createTokenVerifier({
    ...{ keys: { file }, algorithms: ["RS256"], issuer, audience, type: "at+jwt", clock },
  });
  return () => rm(folder, { recursive: true });
});

const claims: JWTPayload = {
  ...{ iss: issuer, aud: audience, sub: "ada", exp: now + 60, nbf: now - 1 },
  scope: "events:publish events:read",
};
const without = (name: string): JWTPayload => ({ ...claims, [name]: undefined });
const sign = (payload: JWTPayload, header: object = {}, key: SigningKey = right.privateKey) =>
  new SignJWT(payload).setProtectedHeader({ alg: "RS256", typ: "at+jwt", ...header }).sign(key);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

it("lets in who has a valid token, with its scopes", async () => {
  const { fetch } = await startGateway({ auth: { mode: "required", tokens: verifier } });
  const token = await sign(claims);
  expect((await fetch(path, json(ada, bearer(token)))).status).toBe(202);
  const query = await fetch("/timelines/home?user=a", { headers: bearer(token) });
  expect(query.status, "no scope for queries").toBe(403);
  expect(await verifier.verify(await sign({ ...claims, scope: undefined, scp: ["a"] }))).toEqual({
    ...{ id: `${issuer} ada`, scopes: new Set(["a"]) },
  });
});

const forged: Record<string, () => Promise<string>> = {
  "no signature (none)": async () => `${encode({ alg: "none", typ: "at+jwt" })}.${encode(claims)}.`,
  "HMAC with the public key": async () =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
      .sign(new TextEncoder().encode(await exportSPKI(right.publicKey))),
  "an algorithm that is not on the list": async () => {
    const { privateKey } = await generateKeyPair("ES256");
    return sign(claims, { alg: "ES256" }, privateKey);
  },
  "another key": () => sign(claims, {}, wrong.privateKey),
  "another key that it brings along": async () =>
    sign(claims, { jwk: await exportJWK(wrong.publicKey) }, wrong.privateKey),
  "a kid that leads elsewhere": () => sign(claims, { kid: "../../etc/passwd" }, wrong.privateKey),
  "a changed payload": async () => {
    const [head, , signature] = (await sign(claims)).split(".");
    return `${head}.${encode({ ...claims, scope: "*" })}.${signature}`;
  },
  "another issuer": () => sign({ ...claims, iss: "https://other.test/" }),
  "no issuer": () => sign(without("iss")),
  "another audience": () => sign({ ...claims, aud: "https://other.test/" }),
  "no audience": () => sign(without("aud")),
  "an end that has come": () => sign({ ...claims, exp: now }),
  "no end": () => sign(without("exp")),
  "a beginning that has not come": () => sign({ ...claims, nbf: now + 60 }),
  "another type": () => sign(claims, { typ: "JWT" }),
  "no type": () => sign(claims, { typ: undefined }),
  "no subject": () => sign(without("sub")),
  "an unknown critical header": () => sign(claims, { crit: ["x"], x: 1 }).catch(() => "a.b.c"),
  "more bytes than a token may have": () =>
    sign({ ...claims, filler: "x".repeat(limits.tokenBytesMax) }),
  "no three parts": async () => "aaa.bbb",
};
it.each(Object.keys(forged))("refuses a token with %s", async (name) => {
  const token = (await forged[name]?.()) ?? "";
  const { fetch, stored } = await startGateway({ auth: { mode: "required", tokens: verifier } });
  const response = await fetch(path, json(ada, bearer(token)));
  expect([response.status, await response.json()]).toMatchObject([
    401,
    { code: "MR_UNAUTHENTICATED" },
  ]);
  expect(await stored()).toEqual([]);
});

/** An issuer on this machine that counts how often its keys are fetched. */
async function startIssuer(): Promise<{ url: string; fetched: () => number }> {
  let count = 0;
  const jwk = { ...(await exportJWK(right.publicKey)), kid: "one", alg: "RS256" };
  const server = createServer((_request, response) => {
    count++;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: [jwk] }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await vi.waitFor(() => expect(server.address()).not.toBeNull());
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/jwks.json`, fetched: () => count };
}

it("fetches an issuer's keys once, however many unknown kids come", async () => {
  const { url, fetched } = await startIssuer();
  const keys = { jwksUrl: url, allowPrivate: true };
  const remote = await createTokenVerifier({
    ...{ keys, algorithms: ["RS256"], issuer, audience, clock },
  });
  expect(await remote.verify(await sign(claims, { kid: "one" }))).toMatchObject({
    id: `${issuer} ada`,
  });
  for (let count = 0; count < 10; count++) {
    const token = await sign(claims, { kid: `unknown-${count}` });
    await expect(remote.verify(token)).rejects.toMatchObject({ code: "MR_UNAUTHENTICATED" });
  }
  expect(fetched()).toBe(1);
});

it("does not fetch keys from a private address unless that is allowed", async () => {
  const { url, fetched } = await startIssuer();
  const remote = await createTokenVerifier({
    ...{ keys: { jwksUrl: url }, algorithms: ["RS256"], issuer, audience, clock },
  });
  await expect(remote.verify(await sign(claims, { kid: "one" }))).rejects.toThrow();
  expect(fetched()).toBe(0);
});

it("connects to the address that it checked, however the name's answer changes", async () => {
  const { url, fetched } = await startIssuer();
  const named = url.replace("127.0.0.1", "issuer.test");
  const answers = [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"]];
  for (const addresses of answers) {
    const lookup = vi.fn((_name, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      ),
    );
    await expect(publicFetch(lookup)(named)).rejects.toThrow();
    expect(lookup, "one look-up for check and connection").toHaveBeenCalledTimes(1);
  }
  expect(fetched()).toBe(0);
});

it.each([
  ["93.184.215.14", true],
  ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", true],
  ["127.0.0.1", false],
  ["10.1.2.3", false],
  ["172.20.0.1", false],
  ["192.168.1.1", false],
  ["100.64.0.1", false],
  ["169.254.169.254", false],
  ["0.0.0.0", false],
  ["::1", false],
  ["fd00::1", false],
  ["fe80::1", false],
  ["::ffff:10.0.0.1", false],
  ["::ffff:93.184.215.14", true],
  ["64:ff9b::7f00:1", false],
  ["nonsense", false],
])("knows whether %s is on the internet", (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});

it("refuses to listen beyond this machine without authentication", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"]) {
    expect(() => assertAuthConfigured(host, { mode: "open" })).not.toThrow();
  }
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.com", "localhost.example.com", ""]) {
    expect(() => assertAuthConfigured(host, { mode: "open" }), host).toThrow(/other machines/);
    expect(() => assertAuthConfigured(host, { mode: "required" })).not.toThrow();
  }
});
