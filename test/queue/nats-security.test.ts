/**
 * The NATS engine lets itself in by everything that its address offers, on a real server that asks
 * for it: a password, a token, an NKey, a user's credentials, a certificate of the client's, each
 * over TLS; and where servers or clients are not who they should be it says so in words, without
 * a secret, and stores nothing.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectNats } from "../../src/engines/nats/inspection.ts";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { systemClock } from "../../src/lib/clock.ts";
import {
  type Certificates,
  makeCertificates,
  withoutCertificates,
} from "../support/certificates.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";

const missing = natsMissing() ?? withoutCertificates;
const event = {
  ...{ id: "one", source: "/test", type: "counted", key: "key", data: "1" },
  ...{ time: "2026-01-01T00:00:00Z", attributes: {} },
};

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A claim of NATS, signed: its header, its body, and the signature, as a JWT has them. */
function jwt(signer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = {
    ...{ jti: name, iat: 1_700_000_000, name, nats: { version: 2, ...nats } },
    ...{ iss: signer.getPublicKey(), sub: subject.getPublicKey() },
  };
  const signed = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(body)}`;
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString("base64url")}`;
}

const seedOf = (pair: KeyPair) => Buffer.from(pair.getSeed()).toString("utf8");

/** An operator who knows one account, and the file with the credentials of its user. */
function operated() {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const all = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1 };
  const limits = { ...all, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountJwt = jwt(operator, account, "account", { type: "account", limits });
  const anything = { pub: {}, sub: {}, subs: -1, data: -1, payload: -1 };
  const userJwt = jwt(account, user, "user", { type: "user", ...anything });
  const block = (name: string, text: string) =>
    `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return {
    settings: `operator: "${jwt(operator, operator, "operator", { type: "operator" })}"
resolver: MEMORY
system_account: ${system.getPublicKey()}
resolver_preload: {
  ${account.getPublicKey()}: "${accountJwt}"
  ${system.getPublicKey()}: "${jwt(operator, system, "system", { type: "account" })}"
}`,
    creds: block("NATS USER JWT", userJwt) + block("USER NKEY SEED", seedOf(user)),
  };
}

describe.skipIf(missing)(`who may come in${missing ? ` (${missing})` : ""}`, () => {
  let certificates: Certificates;
  let folder: string;

  beforeAll(() => {
    certificates = makeCertificates();
    folder = join(certificates.server.ca, "..");
  });
  afterAll(() => certificates[Symbol.dispose]());

  /** A server that speaks TLS, with these settings, and addresses of it. */
  async function start(settings: string, tls = "", { cert, key } = certificates.server) {
    const secured = `tls { cert_file: "${cert}", key_file: "${key}" ${tls} }\n${settings}`;
    const cluster = await NatsCluster.start({ servers: 1, settings: secured });
    const at = (user: string, further = "", ca = certificates.server.ca) =>
      `tls://${user}${cluster.hosts[0]}?replicas=1&bytes=50000000&ca=${ca}${further}`;
    return { at, cluster, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
  }

  async function expectStored(url: string): Promise<void> {
    const queue = await openNatsQueue({ url, partitions: 1 });
    try {
      await queue.append([{ partition: 0, event }]);
      const subscription = queue.subscribe(new Map([[0, 0]]));
      expect((await subscription.next(10, 0)).events.map((one) => one.event)).toEqual([event]);
    } finally {
      await queue.close();
    }
  }

  /** Told by whoever opens it and by the doctor alike. */
  async function expectRefused(url: string, words: RegExp): Promise<void> {
    const failure = await openNatsQueue({ url, partitions: 1 }).catch((error) => error);
    expect(failure).toMatchObject({ code: "MR_CONFIG_INVALID" });
    expect(failure.message).toMatch(words);
    const findings = await inspectNats(url, systemClock);
    expect(findings).toMatchObject([{ status: "fail", detail: failure.message }]);
    expect(JSON.stringify([failure, findings])).not.toContain("s3cret");
  }

  it("a user with a password, which may have any characters", async () => {
    const password = "s3cret:@/%é";
    await using server = await start(`authorization { user: ada, password: "${password}" }`);
    await expectStored(server.at(`ada:${encodeURIComponent(password)}@`));
    await expectRefused(server.at("ada:s3cret@"), /refuses this client: Authorization/);
    await expectRefused(server.at(""), /refuses this client/);
  });

  it("a token", async () => {
    await using server = await start('authorization { token: "s3cret" }');
    await expectStored(server.at("s3cret@"));
    await expectRefused(server.at("another@"), /refuses this client/);
  });

  it("an NKey, from a file with its seed", async () => {
    const user = nkeys.createUser();
    const file = join(folder, "user.nk");
    writeFileSync(file, `${seedOf(user)}\n`);
    const known = `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`;
    await using server = await start(known);
    await expectStored(server.at("", `&nkey=${file}`));
    writeFileSync(file, seedOf(nkeys.createUser()));
    await expectRefused(server.at("", `&nkey=${file}`), /refuses this client/);
  });

  it("a user's credentials, from a file, under an operator", async () => {
    const file = join(folder, "user.creds");
    const { settings, creds } = operated();
    writeFileSync(file, creds);
    await using server = await start(settings);
    await expectStored(server.at("", `&creds=${file}`));
    writeFileSync(file, operated().creds);
    await expectRefused(server.at("", `&creds=${file}`), /refuses this client/);
  });

  it("a certificate of the client's, where servers ask for one", async () => {
    const { cert, key, ca } = certificates.client;
    await using server = await start("", `, ca_file: "${ca}", verify: true`);
    await expectStored(server.at("", `&cert=${cert}&key=${key}`));
    const without = await openNatsQueue({ url: server.at(""), partitions: 1 }).catch((one) => one);
    expect(without).toMatchObject({ code: "MR_QUEUE_UNAVAILABLE" });
  });

  it("no server that another authority vouches for, or for another host", async () => {
    await using server = await start("");
    const unknown = server.at("", "", certificates.otherCa);
    await expectRefused(unknown, /certificate of 127\.0\.0\.1:\d+ is not good/);
    await expectRefused(server.at("").replace(/&ca=.*/, ""), /is not good/);
    await using elsewhere = await start("", "", certificates.elsewhere);
    await expectRefused(elsewhere.at(""), /is not good: Hostname\/IP does not match/);
  });

  it("no server that speaks no TLS, where the address asks for it", async () => {
    await using cluster = await NatsCluster.start({ servers: 1 });
    const url = `tls://ada:s3cret@${cluster.hosts[0]}?replicas=1`;
    const failure = await openNatsQueue({ url, partitions: 1 }).catch((error) => error);
    expect(failure).toMatchObject({ code: "MR_QUEUE_UNAVAILABLE" });
    expect(failure.message).toContain("does not support 'tls'");
  });

  it("no file that cannot be read", async () => {
    const url = (name: string) => `tls://127.0.0.1:1?${name}=${join(folder, "absent")}`;
    for (const name of ["ca", "creds", "nkey"]) {
      await expect(openNatsQueue({ url: url(name) })).rejects.toThrow(/absent cannot be read/);
    }
  });
});
