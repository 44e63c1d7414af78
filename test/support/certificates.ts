/** Certificates for servers of tests: an authority of their own, and one that nobody knows. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Files of one authority, and of a certificate that it signed. */
export interface Signed {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Certificates extends Disposable {
  /** Signed for 127.0.0.1 by the authority of `ca`. */
  readonly server: Signed;
  /** A client's, by the same authority. */
  readonly client: Signed;
  /** By the same authority for another host. */
  readonly elsewhere: Signed;
  /** An authority that signed none of them. */
  readonly otherCa: string;
}

function canMake(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Why tests with certificates are skipped; undefined where they can run, and where they must. */
export const withoutCertificates: string | undefined =
  canMake() || process.env.CI === "true" ? undefined : "needs OpenSSL: apt-get install openssl";

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "millrace-certificates-"));
  const file = (name: string) => join(folder, name);
  const make = (name: string, ...further: string[]) => {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
    const files = ["-keyout", file(`${name}.key`), "-out", file(`${name}.pem`)];
    const parameters = ["req", "-x509", ...curve, ...files, "-days", "2", "-subj", `/CN=${name}`];
    execFileSync("openssl", [...parameters, ...further], { stdio: "pipe" });
    return { ca: file("ca.pem"), cert: file(`${name}.pem`), key: file(`${name}.key`) };
  };
  const signed = (name: string, host: string) =>
    make(
      name,
      ...["-CA", file("ca.pem"), "-CAkey", file("ca.key")],
      ...["-addext", `subjectAltName=${host}`, "-addext", "basicConstraints=critical,CA:FALSE"],
    );
  make("ca");
  make("other");
  chmodSync(folder, 0o755);
  return {
    server: signed("server", "IP:127.0.0.1"),
    client: signed("client", "DNS:client"),
    elsewhere: signed("elsewhere", "DNS:elsewhere.example"),
    otherCa: file("other.pem"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
