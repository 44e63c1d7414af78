/** Which people a text of the social example mentions. */
import { expect, it } from "vitest";
import { mentionsIn } from "../../examples/social/mentions.ts";

it.each([
  ["hello @grace", ["grace"]],
  ["@ada and @Grace, and @ada again", ["ada", "grace"]],
  ["(@ada) “@grace-2”: @linus!", ["ada", "grace-2", "linus"]],
  ["write to ada@example.com, not @@grace", []],
  ["@ada.", ["ada"]],
  ["an @ alone, and @-dash", []],
  [`@${"a".repeat(31)} is too long to be a name`, []],
])("%s", (text, people) => {
  expect(mentionsIn(text)).toEqual(people);
});
