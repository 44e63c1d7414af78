/**
 * JSON from outside is read as one thing only: what would be stored as another number is refused,
 * and nothing else is.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseJson, readJson } from "../../src/lib/json.ts";

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

type Write = (space: string) => string;

/** Texts of JSON, written with `space` wherever the grammar lets it stand. */
const written = fc.letrec<Record<"value" | "scalar" | "list" | "object", Write>>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, tie("scalar"), tie("scalar"), tie("list"), tie("object")),
  scalar: fc
    .constantFrom(
      ...["null", "true", '""', '"a:1"', '"\\""', '"\\u0041"', '"é"', "0", "-0", "1.0", "12e1"],
      ...["9007199254740991", "9007199254740992", "-9007199254740993", "1e400", "0.1"],
    )
    .map((text) => () => text),
  list: fc
    .array(tie("value"), { maxLength: 3 })
    .map((items) => (space: string) => `[${items.map((item) => item(space)).join(`,${space}`)}]`),
  object: fc
    .array(fc.tuple(fc.constantFrom("a", "b", "1", "__proto__", "constructor"), tie("value")), {
      maxLength: 3,
    })
    .map((members) => (space: string) => {
      const texts = members.map(([name, value]) => `"${name}"${space}:${space}${value(space)}`);
      return `{${texts.join(`,${space}`)}}`;
    }),
}));

const verdictOn = (text: string): unknown => {
  try {
    return readJson(text);
  } catch (error) {
    return (error as { code: string }).code;
  }
};

it("judges a text in the same way, with spaces and without", () => {
  fc.assert(
    fc.property(written.value, (write) => {
      const verdict = verdictOn(write(""));
      expect(verdictOn(write(" "))).toEqual(verdict);
      expect(verdictOn(write("\n\t"))).toEqual(verdict);
    }),
    { numRuns: 2_000 },
  );
});

it.each(['{"a":1,"a":1}', '{"a":1,"a":2}', '[{"b":{"a":0,"b":0,"a":0}}]', '{"a":[1],"a":[1]}'])(
  "refuses the equal names of %s",
  (text) => expect(verdictOn(text)).toBe("MR_JSON_DUPLICATE_NAME"),
);

it("gives the text that `JSON.stringify` makes of the value", () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(undefined, 1, "\t"), (text, space) => {
      const value: unknown = JSON.parse(text);
      const verdict = verdictOn(JSON.stringify(value, null, space));
      if (typeof verdict === "string") return;
      expect(verdict).toEqual({ value, text: JSON.stringify(value) });
    }),
  );
});
