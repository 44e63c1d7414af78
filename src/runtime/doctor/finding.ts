/** What one check of `millrace doctor` found. */
export interface Finding {
  /** One or two words: `Node`, `Data folder`. */
  readonly what: string;
  readonly status: "pass" | "warn" | "fail";
  /** What was found, in a short sentence. */
  readonly detail: string;
  /** What to do about it; there is one for everything that is not well. */
  readonly remedy?: string;
}
