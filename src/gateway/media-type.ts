import { MillraceError } from "../lib/errors.ts";

/** A Content-Type, read once. Parser and schema are chosen by this value and by nothing else. */
export interface MediaType {
  /** `type/subtype` in lower case. */
  readonly essence: string;
  readonly charset: string | undefined;
}

/**
 * RFC 9110, section 8.3.1, without its leniencies: nothing may follow the last parameter. Servers
 * were fooled by case, tabs and trailing text that one reader took for JSON and another did not;
 * structured-headers reads no media types, and `util.MIMEType` forgives what must be refused.
 */
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const parameter = `[ \\t]*;[ \\t]*(${token})=(${token}|"[^"\\\\]*")`;
const grammar = new RegExp(`^(${token}/${token})((?:${parameter})*)$`);
const parameters = new RegExp(parameter, "g");

const plainJson: MediaType = { essence: "application/json", charset: undefined };

/** @throws MR_MEDIA_TYPE where the header is malformed */
export function parseMediaType(header: string): MediaType {
  if (header === "application/json") return plainJson;
  const match = grammar.exec(header);
  if (match === null) throw new MillraceError("MR_MEDIA_TYPE", "The Content-Type is malformed.");
  let charset: string | undefined;
  for (const [, name = "", value = ""] of (match[2] ?? "").matchAll(parameters)) {
    if (name.toLowerCase() !== "charset") continue;
    if (charset !== undefined) {
      throw new MillraceError("MR_MEDIA_TYPE", "The Content-Type names two charsets.");
    }
    charset = value.replaceAll('"', "").toLowerCase();
  }
  return { essence: (match[1] ?? "").toLowerCase(), charset };
}

/** JSON is UTF-8 (RFC 8259, section 8.1); a label that says otherwise is not believed. */
export const isUtf8 = ({ charset }: MediaType): boolean =>
  charset === undefined || charset === "utf-8" || charset === "us-ascii";

export const isJson = ({ essence }: MediaType): boolean =>
  essence === "application/json" || essence === "text/json" || essence.endsWith("+json");
