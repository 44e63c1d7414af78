/** `@ada`, but not the `@` of an address such as ada@example.com. */
const mention = /(?<![\w@.-])@([a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?)(?![\w@])/gi;

/** The people that a text mentions, each once, in lower case, in the order of appearance. */
export const mentionsIn = (text: string): string[] => [
  ...new Set(Array.from(text.matchAll(mention), ([, name = ""]) => name.toLowerCase())),
];
