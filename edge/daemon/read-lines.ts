/** A line without its end, or that it was longer than it may be. */
export type Line = Uint8Array | 'too long';

const newline = 0x0a;

/**
 * Cuts bytes into lines; the last one needs no end. Never holds more than one line and one piece of what comes: the rest of a line
 * that is too long is passed over.
 * @param maxBytes of a line.
 */
export async function* readLines(input: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const takeLine = (): Line => {
    const line = bytes > maxBytes ? 'too long' : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    return line;
  };
  for await (const piece of input) {
    let from = 0;
    for (let end = piece.indexOf(newline); end !== -1; end = piece.indexOf(newline, from)) {
      add(piece.subarray(from, end));
      yield takeLine();
      from = end + 1;
    }
    add(piece.subarray(from));
  }
  if (bytes > 0) yield takeLine();

  function add(part: Uint8Array): void {
    bytes += part.length;
    if (bytes > maxBytes) parts = [];
    else if (part.length > 0) parts.push(part);
  }
}
