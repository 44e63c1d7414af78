/**
 * Proves that answers are read the same however their bytes are cut (fast-check cuts them), and
 * that whatever is not plainly one answer is refused.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnswerError, ResponseParser } from "../../src/balancer/upstream/response-parser.ts";
import { limits } from "../../src/lib/limits.ts";

interface ReadAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly isKeptAlive: boolean;
  body: string;
  end: "missing" | "clean" | "followed";
}

/** Reads one answer from pieces; a string where they were refused. */
function read(pieces: readonly Buffer[], isHeadRequest = false): ReadAnswer | string {
  let answer: ReadAnswer | undefined;
  const parser = new ResponseParser({
    head: ({ status, headers, isKeptAlive }) => {
      answer = { status, headers, isKeptAlive, body: "", end: "missing" };
    },
    body: (chunk) => {
      if (answer) answer.body += chunk.toString("latin1");
    },
    end: (isClean) => {
      if (answer) answer.end = isClean ? "clean" : "followed";
    },
  });
  parser.expect(isHeadRequest);
  try {
    for (const piece of pieces) parser.push(piece);
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    return error.message;
  }
  return answer ?? "no answer";
}

const readText = (text: string, isHeadRequest = false) =>
  read([Buffer.from(text, "latin1")], isHeadRequest);

/** Cuts a buffer at the given fractions of its length. */
function cut(bytes: Buffer, fractions: readonly number[]): Buffer[] {
  const places = fractions.map((fraction) => Math.floor(fraction * bytes.length));
  const edges = [0, ...places.sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, at) => bytes.subarray(edges[at], edge));
}

const anyCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
const anyBody = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const anyHeader = fc.tuple(
  fc.stringMatching(/^x-[a-z]{1,8}$/),
  fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/),
);

const anyAnswer = fc
  .record({
    interim: fc.boolean(),
    status: fc.constantFrom(200, 202, 404, 500, 503),
    headers: fc.array(anyHeader, { maxLength: 5 }),
    pieces: fc.array(anyBody, { maxLength: 5 }),
    isChunked: fc.boolean(),
  })
  .map(({ interim, status, headers, pieces, isChunked }) => {
    const body = Buffer.concat(pieces);
    const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
    const lines = [`HTTP/1.1 ${status} Fine`, ...headers.map((pair) => pair.join(": ")), framing];
    const chunks = pieces
      .filter((piece) => piece.length > 0)
      .map((piece) =>
        Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, crlf]),
      );
    const content = isChunked ? Buffer.concat([...chunks, Buffer.from("0\r\n\r\n")]) : body;
    const before = interim ? "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" : "";
    const head = Buffer.from(`${before}${lines.join("\r\n")}\r\n\r\n`);
    return { status, headers, body, bytes: Buffer.concat([head, content]) };
  });
const crlf = Buffer.from("\r\n");

test("however the bytes are cut, the answer is the same", () => {
  fc.assert(
    fc.property(anyAnswer, anyCuts, ({ status, headers, body, bytes }, cuts) => {
      const answer = read(cut(bytes, cuts));
      expect(answer).toEqual(read([bytes]));
      expect(answer).toMatchObject({ status, body: body.toString("latin1"), end: "clean" });
      const pairs = headers.flat();
      expect((answer as ReadAnswer).headers.slice(0, pairs.length)).toEqual(pairs);
    }),
  );
});

test("whatever bytes come, cut or whole they are read alike and never crash", () => {
  const anyDamage = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ maxLength: 4 }),
  });
  fc.assert(
    fc.property(anyAnswer, anyDamage, anyCuts, ({ bytes }, damage, cuts) => {
      const at = Math.floor(damage.at * bytes.length);
      const parts = [bytes.subarray(0, at), Buffer.from(damage.bytes), bytes.subarray(at)];
      const damaged = Buffer.concat(parts);
      const whole = read([damaged]);
      const inPieces = read(cut(damaged, cuts));
      // What follows a complete answer is told as stray bytes in one piece, as an error in two.
      if (typeof whole === "object" && whole.end === "followed") return;
      expect(inPieces).toEqual(whole);
    }),
  );
});

describe("answers without a body", () => {
  const length = "Content-Length: 5\r\n\r\n";
  test.each<[string, string, boolean]>([
    ["to HEAD", `HTTP/1.1 200 OK\r\n${length}`, true],
    ["to HEAD, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true],
    ["to HEAD, without any framing", "HTTP/1.1 200 OK\r\n\r\n", true],
    ["204", "HTTP/1.1 204 No Content\r\n\r\n", false],
    ["304", `HTTP/1.1 304 Not Modified\r\n${length}`, false],
    ["of no length", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false],
  ])("%s end with their head", (_name, text, isHeadRequest) => {
    expect(readText(text, isHeadRequest)).toMatchObject({ body: "", end: "clean" });
    expect(readText(`${text}a`, isHeadRequest)).toMatchObject({ body: "", end: "followed" });
  });
});

describe("refused", () => {
  const ok = "HTTP/1.1 200 OK\r\n";
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
  test.each([
    ["another protocol", "SMTP ready\r\n\r\n"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"],
    ["another protocol asked for", "HTTP/1.1 101 Switching\r\n\r\n"],
    ["no framing", `${ok}\r\n`],
    ["two lengths", `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`],
    ["a length and chunks", `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na`],
    ["a length in list form", `${ok}Content-Length: 1, 1\r\n\r\na`],
    ["a signed length", `${ok}Content-Length: +1\r\n\r\na`],
    ["a length with zeros in front", `${ok}Content-Length: 01\r\n\r\na`],
    ["another transfer coding", `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`],
    ["a folded header", `${ok}x: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
    ["a space before the colon", `${ok}x : a\r\nContent-Length: 0\r\n\r\n`],
    ["a bare line feed in a header", `${ok}x: a\ny: b\r\nContent-Length: 0\r\n\r\n`],
    ["a NUL in a header", `${ok}x: a\0\r\nContent-Length: 0\r\n\r\n`],
    ["a chunk size with an extension", `${chunked}1;a\r\na\r\n0\r\n\r\n`],
    ["a chunk size of nine digits", `${chunked}100000000\r\n`],
    ["a negative chunk size", `${chunked}-1\r\n`],
    ["a chunk longer than its size", `${chunked}1\r\nab\r\n0\r\n\r\n`],
    ["trailers", `${chunked}0\r\nx: a\r\n\r\n`],
    ["endless headers", `${ok}x: ${"a".repeat(limits.headerBytesMax)}\r\n\r\n`],
    ["endless headers that do not end", `${ok}x: ${"a".repeat(2 * limits.headerBytesMax)}`],
  ])("%s", (_name, text) => {
    expect(readText(text)).toBeTypeOf("string");
    expect(read([...text].map((char) => Buffer.from(char, "latin1")))).toBeTypeOf("string");
  });

  test("bytes that nobody asked for", () => {
    const parser = new ResponseParser({ head: () => {}, body: () => {}, end: () => {} });
    expect(() => parser.push(Buffer.from("HTTP/1.1 200 OK\r\n\r\n"))).toThrow(AnswerError);
  });
});

test("an answer says whether its connection stays", () => {
  const isKept = (value: string) => {
    const answer = readText(`HTTP/1.1 204 Fine\r\nConnection: ${value}\r\n\r\n`);
    return typeof answer === "object" && answer.isKeptAlive;
  };
  expect(isKept("keep-alive")).toBe(true);
  expect(isKept("close")).toBe(false);
  expect(isKept("x, Close")).toBe(false);
});
