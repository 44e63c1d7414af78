/**
 * Many questions over one connection: each gets its own answer in whatever order they come, however
 * the bytes are cut; a slow answer holds up no other; who has gone is not worked for; and when the
 * connection breaks, each question ends once. All of it on real sockets.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { createInnerServer } from "../../src/lib/http/inner-server.ts";
import { silentLog } from "../../src/lib/log.ts";
import { Asker, type AskerOptions } from "../../src/lib/wire/asker.ts";
import {
  answerLine,
  lineReader,
  type Question,
  questionLine,
  readAnswer,
  readQuestion,
} from "../../src/lib/wire/messages.ts";
import { handClock } from "../support/hand-clock.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mr-wire-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const address = () => ({ socketPath: join(folder, "wire.sock") });
const get = (url: string): Question => ({ method: "GET", url });

/** Answers `/echo…` at once and what else it is asked when the test says so. */
class Told {
  readonly asked: { question: Question; signal: AbortSignal }[] = [];
  readonly #answers = new Map<string, (text: string) => void>();

  readonly question = async (question: Question, signal: AbortSignal): Promise<string> => {
    this.asked.push({ question, signal });
    if (question.url.startsWith("/echo")) return JSON.stringify(question);
    if (question.url === "/refused") {
      throw new MillraceError("MR_INPUT_INVALID", "No.\nNot this one.");
    }
    return await new Promise((resolve) => this.#answers.set(question.url, resolve));
  };

  answer(url: string, text: string): void {
    this.#answers.get(url)?.(text);
  }

  async has(count: number): Promise<void> {
    await vi.waitFor(() => expect(this.asked).toHaveLength(count));
  }
}

const serve = ({ question }: Told) =>
  createInnerServer({
    listen: address(),
    token: undefined,
    log: silentLog,
    isReady: () => true,
    answer: async () => "{}",
    question,
  });

const asking = (options: Partial<AskerOptions> = {}) =>
  new Asker(address(), {
    clock: handClock(),
    token: undefined,
    questionsMax: 100,
    connectMs: 1_000,
    answerMs: 60_000,
    idleMs: 60_000,
    ...options,
  });

it("gives each question its answer, in whatever order they come", async () => {
  const told = new Told();
  await using server = serve(told);
  await server.start();
  const asker = asking();
  const slow = asker.ask(get("/slow"));
  await told.has(1);
  const asked = Array.from({ length: 200 }, (_, n) => get(`/echo?n=${n}`));
  const answers = await Promise.all(asked.map((question) => asker.ask(question)));
  expect(answers.map(({ text }) => JSON.parse(text))).toEqual(asked);
  const full = { method: "POST", url: "/echo/%C3%A9?a=b c", after: "7:1,3:22" } as const;
  expect(JSON.parse((await asker.ask(full)).text)).toEqual(full);
  // Long, in more bytes than characters, and not on one line.
  const text = JSON.stringify({ text: "Grüße 🌍 ".repeat(50_000) }, undefined, 1);
  told.answer("/slow", text);
  expect(JSON.parse((await slow).text)).toEqual(JSON.parse(text));
  await asker.close();
});

it("carries an error as an answer", async () => {
  const told = new Told();
  await using server = serve(told);
  await server.start();
  const asker = asking();
  const { status, text } = await asker.ask(get("/refused"));
  expect(status).toBe(422);
  expect(JSON.parse(text)).toMatchObject({ code: "MR_INPUT_INVALID" });
  await asker.close();
});

it("ends when what it was asked is answered, and says so to what is asked meanwhile", async () => {
  const told = new Told();
  const server = serve(told);
  await server.start();
  const asker = asking();
  const slow = asker.ask(get("/slow"));
  await told.has(1);
  const stopped = server.stop();
  const { status, text } = await asker.ask(get("/echo"));
  expect([status, JSON.parse(text).code]).toEqual([503, "MR_DRAINING"]);
  told.answer("/slow", '"done"');
  expect((await slow).text).toBe('"done"');
  await stopped;
  await expect(asker.ask(get("/echo"))).rejects.toThrow();
  await asker.close();
  await expect(asker.ask(get("/echo"))).rejects.toThrow("closed for good");
});

it("works for nobody who has gone", async () => {
  const told = new Told();
  await using server = serve(told);
  await server.start();
  const asker = asking();
  const one = new AbortController();
  const gone = asker.ask(get("/one"), one.signal);
  const stays = asker.ask(get("/two"));
  const lost = asking();
  const alone = lost.ask(get("/three"));
  await told.has(3);
  one.abort("went away");
  await expect(gone).rejects.toBe("went away");
  lost.destroy(new Error("broken off"));
  await expect(alone).rejects.toThrow("broken off");
  const isGone = () =>
    Object.fromEntries(told.asked.map(({ question, signal }) => [question.url, signal.aborted]));
  await vi.waitFor(() => {
    expect(isGone()).toEqual({ "/one": true, "/two": false, "/three": true });
  });
  await expect(asker.ask(get("/four"), one.signal)).rejects.toBe("went away");
  told.answer("/one", "1");
  told.answer("/two", "2");
  expect((await stays).text).toBe("2");
  expect(told.asked).toHaveLength(3);
  await asker.close();
});

it("fails what was under way when the connection breaks, and opens another", async () => {
  const sockets: Socket[] = [];
  const told = new Told();
  const server = createServer((socket) => sockets.push(socket));
  server.listen(address().socketPath);
  await once(server, "listening");
  const asker = asking();
  const unopened = asker.ask(get("/echo"));
  await vi.waitFor(() => expect(sockets).toHaveLength(1));
  sockets[0]?.destroy();
  await expect(unopened).rejects.toThrow();
  server.close();
  await once(server, "close");
  await expect(asker.ask(get("/echo"))).rejects.toMatchObject({ code: "ENOENT" });
  {
    await using first = serve(told);
    await first.start();
    await asker.ask(get("/echo"));
  }
  await expect(asker.ask(get("/echo"))).rejects.toThrow();
  await using second = serve(told);
  await second.start();
  expect((await asker.ask(get("/echo"))).status).toBe(200);
  await asker.close();
});

it("gives up on what takes too long", async () => {
  const clock = handClock();
  const told = new Told();
  {
    // Takes connections and says nothing.
    const silent = createServer(() => {});
    silent.listen(address().socketPath);
    await once(silent, "listening");
    const asker = asking({ clock });
    const unanswered = asker.ask(get("/echo"));
    clock.advance(999);
    asker.check();
    clock.advance(1);
    asker.check();
    await expect(unanswered).rejects.toThrow("no connection came in time");
    silent.close();
  }
  await using server = serve(told);
  await server.start();
  const asker = asking({ clock, questionsMax: 1 });
  const slow = asker.ask(get("/slow"));
  const waits = asker.ask(get("/echo"));
  await told.has(1);
  clock.advance(30_000);
  const next = asker.ask(get("/echo"));
  clock.advance(30_000);
  asker.check();
  await expect(slow).rejects.toThrow("no answer came in time");
  await expect(waits).rejects.toThrow("no answer came in time");
  expect((await next).status).toBe(200);
  await vi.waitFor(() => expect(told.asked[0]?.signal.aborted).toBe(true));
  await asker.close();
});

it("closes a connection that leads nowhere, and one that nothing is asked over", async () => {
  const clock = handClock();
  const connections: { readonly socket: Socket; said: string }[] = [];
  // Switches, and says nothing more.
  const silent = createServer((socket) => {
    const connection = { socket, said: "" };
    connections.push(connection);
    const switched = "HTTP/1.1 101 Fine\r\nconnection: Upgrade\r\nupgrade: millrace-wire\r\n\r\n";
    socket.once("data", () => socket.write(switched));
    socket.on("data", (piece) => {
      connection.said += piece;
    });
  });
  silent.listen(address().socketPath);
  await once(silent, "listening");
  const heard = (at: number) =>
    vi.waitFor(() => expect(connections[at]?.said).toContain(" GET - /echo\n"));
  const closed = (at: number) =>
    vi.waitFor(() => expect(connections[at]?.socket.closed).toBe(true));
  const asker = asking({ clock });
  const unanswered = asker.ask(get("/echo"));
  await heard(0);
  clock.advance(30_000);
  const later = asker.ask(get("/echo"));
  clock.advance(30_000);
  asker.check();
  await expect(unanswered).rejects.toThrow("no answer came in time");
  await expect(later).rejects.toThrow("no answer came in time");
  await closed(0);
  const gone = new AbortController();
  const unwanted = asker.ask(get("/echo"), gone.signal);
  await heard(1);
  gone.abort("went away");
  await expect(unwanted).rejects.toBe("went away");
  clock.advance(59_999);
  asker.check();
  expect(connections[1]?.socket.closed).toBe(false);
  clock.advance(1);
  asker.check();
  await closed(1);
  silent.close();
});

it("asks no more at a time than it may", async () => {
  const told = new Told();
  await using server = serve(told);
  await server.start();
  const asker = asking({ questionsMax: 2 });
  const answers = ["/1", "/2", "/3"].map((url) => asker.ask(get(url)));
  await told.has(2);
  told.answer("/2", "2");
  await told.has(3);
  expect(told.asked.map(({ question }) => question.url)).toEqual(["/1", "/2", "/3"]);
  told.answer("/1", "1");
  told.answer("/3", "3");
  expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(["1", "2", "3"]);
  await asker.close();
});

it("hangs up on whoever asks for another protocol, or says what it does not know", async () => {
  const told = new Told();
  await using server = serve(told);
  await server.start();
  const say = async (text: string) => {
    const socket = connect(address().socketPath).setEncoding("latin1");
    let said = "";
    socket.on("data", (piece) => {
      said += piece;
    });
    socket.write(text);
    await once(socket, "close");
    return said;
  };
  const upgrade = (path: string, to: string) =>
    `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: ${to}\r\n\r\n`;
  expect(await say(upgrade("/wire", "websocket"))).toMatch(/^HTTP\/1\.1 404 /);
  expect(await say(upgrade("/progress", "millrace-wire"))).toMatch(/^HTTP\/1\.1 404 /);
  const opened = /^HTTP\/1\.1 101 [^\n]*\r\nconnection: Upgrade\r\nupgrade: millrace-wire\r\n\r\n$/;
  expect(await say(`${upgrade("/wire", "millrace-wire")}1 PUT - /echo\n`)).toMatch(opened);
  const endless = "a".repeat(40_000);
  expect(await say(`${upgrade("/wire", "millrace-wire")}1 GET - /${endless}`)).toMatch(opened);
  expect(told.asked).toEqual([]);
});

it("reads lines alike, however they are cut", () => {
  const anyLine = fc.string({ maxLength: 20 });
  fc.assert(
    fc.property(
      fc.array(anyLine, { maxLength: 9 }),
      fc.array(fc.nat(200), { maxLength: 9 }),
      (lines, cuts) => {
        const text = lines.map((line) => `${line}\n`).join("");
        const edges = [
          0,
          ...cuts.filter((at) => at < text.length).sort((a, b) => a - b),
          text.length,
        ];
        const found: string[] = [];
        const read = lineReader((line) => found.push(line));
        for (const [at, edge] of edges.entries()) read(text.slice(edges[at - 1] ?? 0, edge));
        expect(found).toEqual(lines);
      },
    ),
  );
});

it("reads back what it has written", () => {
  const anyQuestion = fc.record(
    {
      method: fc.constantFrom("GET", "POST"),
      url: fc.stringMatching(/^\/[!-~ ]{0,20}$/),
      after: fc.constantFrom("7:1", "7:1,3:22"),
    },
    { requiredKeys: ["method", "url"] },
  );
  const withoutEnd = (line: string) => line.slice(0, -1);
  fc.assert(
    fc.property(fc.nat(), anyQuestion, fc.jsonValue(), (number, question, value) => {
      const text = JSON.stringify(value, undefined, 1);
      const asked = questionLine(number, question as Question);
      expect(readQuestion(withoutEnd(asked))).toEqual({ number, question });
      const answered = readAnswer(withoutEnd(answerLine(number, { status: 200, text })));
      expect(answered.number).toBe(number);
      expect(JSON.parse(answered.answer.text)).toEqual(JSON.parse(text));
    }),
    { numRuns: 50 },
  );
});
