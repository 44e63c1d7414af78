/**
 * A cache on Redis over TLS, by a user with exactly the rights that docs/redis.md gives it: it
 * keeps every promise of the cache port, and counts quotas; whoever is not who it should be is told
 * so in words, without a secret. On a real server with a certificate of its own.
 */
import { readFileSync } from "node:fs";
import { cacheConformance } from "millrace/conformance";
import { openRedisCache } from "millrace/redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisHealth } from "../../src/engines/redis/health.ts";
import { openRedisRateCounter } from "../../src/engines/redis/rate-counter.ts";
import { systemClock } from "../../src/lib/clock.ts";
import {
  type Certificates,
  makeCertificates,
  withoutCertificates,
} from "../support/certificates.ts";
import { freePort } from "../support/free-port.ts";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";

const missing = withoutRedis ?? withoutCertificates;
const password = "s3cret:@/";

/** What the guide's line says behind `ACL SETUSER`, with the password of this test. */
function rightsInGuide(): string[] {
  const guide = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8");
  const [, line = ""] = /ACL SETUSER ([^`]+)/.exec(guide) ?? [];
  return line.replace(">SECRET", `>${password}`).trim().split(/\s+/);
}

describe.skipIf(missing)(`Redis over TLS (${missing ?? "a real server"})`, () => {
  let certificates: Certificates;
  let server: RedisServer;
  let port: number;

  const start = async (signed: { readonly cert: string; readonly key: string }, tlsPort: number) =>
    await RedisServer.start(
      ...["--tls-port", String(tlsPort), "--tls-auth-clients", "no"],
      ...["--tls-cert-file", signed.cert, "--tls-key-file", signed.key],
      ...["--tls-ca-cert-file", certificates.server.ca],
    );

  beforeAll(async () => {
    certificates = makeCertificates();
    port = await freePort();
    server = await start(certificates.server, port);
    const rights = rightsInGuide();
    // As the guide says, a right that 7.0 does not know: there all go without it.
    const known = rights.filter((right) => right !== "+client|setinfo");
    const isSet = [rights, known].some((some) => server.cli("ACL", "SETUSER", ...some) === "OK");
    expect(isSet).toBe(true);
    server.cli("ACL", "SETUSER", "default", "-@all", "+ping");
  });
  afterAll(async () => {
    await server?.stop();
    certificates?.[Symbol.dispose]();
  });

  const at = (user = password, ca = certificates.server.ca, tlsPort = port) =>
    `rediss://millrace:${encodeURIComponent(user)}@127.0.0.1:${tlsPort}/0?ca=${ca}`;

  let places = 0;
  cacheConformance(
    { describe, it },
    {
      name: "Redis, TLS and a user of few rights",
      features: { sharing: true },
      async createPlace() {
        const worker = `place-${++places}`;
        return {
          open: () => openRedisCache({ url: at(), system: "test", worker }),
          pass: (ms) => systemClock.sleep(ms),
          remove: async () => {},
        };
      },
    },
  );

  it("counts quotas, and may be looked at", async () => {
    const limit = { requests: 3, windowSeconds: 60 };
    const options = { url: at(), system: "test", clock: systemClock, limit, shareOfRequests: 1 };
    const counter = await openRedisRateCounter(options);
    const counts = [];
    for (let call = 0; call < 4; call++) counts.push((await counter.count("client")).requests);
    expect(counts).toEqual([1, 2, 3, 4]);
    await counter.close();
    expect(await redisHealth(at(), systemClock)).toMatchObject({ role: "master" });
  });

  it("says who is not who it should be", async () => {
    const elsewherePort = await freePort();
    await using _elsewhere = await start(certificates.elsewhere, elsewherePort);
    const refused = {
      [at("another")]: /WRONGPASS/,
      [at(password, certificates.otherCa)]: /certificate/,
      [at(password, certificates.server.ca, elsewherePort)]: /does not match/,
    };
    for (const [url, words] of Object.entries(refused)) {
      const failure = await redisHealth(url, systemClock).catch((error) => error);
      expect(failure).toMatchObject({ code: "MR_CACHE_UNAVAILABLE" });
      expect(failure.message).toMatch(words);
      expect(JSON.stringify(failure)).not.toMatch(/s3cret|another/);
    }
    await expect(redisHealth(at(password, "/absent.pem"), systemClock)).rejects.toMatchObject({
      code: "MR_CONFIG_INVALID",
    });
  });
});
