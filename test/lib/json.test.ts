/**
 * JSON from outside is read as one thing only: what would be stored as another number is refused,
 * and nothing else is.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseJson } from "../../src/lib/json.ts";

it.each([
  "9007199254740993",
  "9007199254740993.0",
  "1234567890123.123456789",
  "1e-400",
  "1e400",
  "0.1000000000000000055511151231257827",
  "123456789012345678",
])("refuses %s, which a double cannot hold", (text) => {
  expect(() => parseJson(`{"n":${text}}`)).toThrow(
    expect.objectContaining({ code: "MR_JSON_NUMBER" }),
  );
});

it.each(["0", "-0", "0.1", "1.50", "1e3", "1E+3", "12.5e-2", "0.000", "100.00e5", "5e-324"])(
  "takes %s",
  (text) => {
    expect(parseJson(`[${text}]`)).toEqual([Number(text)]);
  },
);

it("takes every number that it would write itself", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const isUnsafe = Number.isInteger(number) && !Number.isSafeInteger(number);
      fc.pre(!isUnsafe || /e/.test(String(number)));
      expect(parseJson(JSON.stringify([number]))).toEqual([number === 0 ? 0 : number]);
    }),
  );
});
