import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";

const newline = 0x0a;

/**
 * Cuts a stream of bytes into lines and hands them on in chunks, each bounded in lines and bytes.
 * Empty lines are no lines. Never holds more than one chunk and one piece of the stream.
 *
 * @throws MR_BODY_TOO_LARGE for a line or a stream past its limit
 */
export async function* lineChunks(
  read: () => Promise<Buffer | undefined>,
): AsyncGenerator<readonly Buffer[]> {
  const line = new LineBuffer();
  let chunk = new Chunk();
  let streamBytes = 0;
  for (let piece = await read(); piece !== undefined; piece = await read()) {
    streamBytes += piece.length;
    if (streamBytes > limits.ndjsonBytesMax) throw tooLarge("stream", limits.ndjsonBytesMax);
    let from = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, from)) {
      line.add(piece.subarray(from, end));
      from = end + 1;
      chunk.add(line.take());
      if (!chunk.isFull) continue;
      yield chunk.lines;
      chunk = new Chunk();
    }
    line.add(piece.subarray(from));
  }
  chunk.add(line.take());
  if (chunk.lines.length > 0) yield chunk.lines;
}

/** The pieces of a line that is not complete yet; joined once, however small they came. */
class LineBuffer {
  #pieces: Buffer[] = [];
  #bytes = 0;

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > limits.bodyBytesMax) throw tooLarge("line", limits.bodyBytesMax);
    this.#pieces.push(piece);
  }

  take(): Buffer {
    const [only] = this.#pieces;
    const line =
      this.#pieces.length === 1 && only !== undefined
        ? only
        : Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    return line;
  }
}

class Chunk {
  readonly lines: Buffer[] = [];
  #bytes = 0;

  add(line: Buffer): void {
    if (line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)) return;
    this.lines.push(line);
    this.#bytes += line.length;
  }

  get isFull(): boolean {
    return (
      this.lines.length >= limits.ndjsonChunkLinesMax || this.#bytes >= limits.ndjsonChunkBytesMax
    );
  }
}

const tooLarge = (what: string, bytes: number): MillraceError =>
  new MillraceError("MR_BODY_TOO_LARGE", `A ${what} has at most ${bytes} bytes.`);
