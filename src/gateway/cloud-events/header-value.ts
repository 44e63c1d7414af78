import { MillraceError } from "../../lib/errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes the value of a `ce-` header (CloudEvents HTTP binding 1.0.2, section 3.1.3.2): a quoted
 * value is unquoted first, then percent-decoding is done once. Overlong and broken UTF-8 is
 * refused.
 *
 * @throws MR_CLOUDEVENT_INVALID
 */
export function decodeHeaderValue(name: string, value: string): string {
  const plain = unquote(value);
  if (!plain.includes("%")) return plain;
  if (/%(?![0-9A-Fa-f]{2})/.test(plain)) throw malformed(name);
  // What is not encoded is ASCII: everything else was refused with the request's head.
  const bytes = plain.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    return utf8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    throw malformed(name);
  }
}

function unquote(value: string): string {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value;
  return value.slice(1, -1).replace(/\\(.)/g, "$1");
}

const malformed = (name: string): MillraceError =>
  new MillraceError(
    "MR_CLOUDEVENT_INVALID",
    `The header ce-${name} is not percent-encoded UTF-8.`,
    {
      faults: [{ detail: "is not percent-encoded UTF-8", pointer: `#/${name}` }],
    },
  );
