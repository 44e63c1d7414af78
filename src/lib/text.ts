/**
 * Text that a database cannot store, or would store as something else: NUL, and halves of surrogate
 * pairs, which are no characters.
 */
export const isStorable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();

/** The same for all texts and names within a value of JSON. */
export function isStorableWithin(value: unknown): boolean {
  if (typeof value === "string") return isStorable(value);
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isStorableWithin);
  return Object.entries(value).every(
    ([name, member]) => isStorable(name) && isStorableWithin(member),
  );
}

/**
 * Whether a text has at most so many bytes of UTF-8. A UTF-16 unit takes one to three of them, so
 * that short texts need no counting.
 */
export const fitsBytes = (text: string, bytesMax: number): boolean =>
  text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax;

/** C0 and C1 control characters, which CloudEvents does not allow in its strings (section 3.3). */
export const hasControlCharacter = (text: string): boolean => /\p{Cc}/u.test(text);

/** EN5: a password or token in an engine's address is never shown. */
export const withoutPassword = (text: string): string =>
  text
    .replace(/(\/\/[^/@:]*):[^/@]*@/, "$1:(hidden)@")
    .replace(/^((?:nats|tls):\/\/)[^/@:]+@/, "$1(hidden)@");
