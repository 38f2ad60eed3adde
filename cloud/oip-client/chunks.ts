/** Reads a body that came in chunks from its beginning to its end, copying each byte once, to where it stays. */
export class ChunkReader {
  readonly #chunks: readonly Uint8Array[];
  #chunk = 0;
  #offset = 0;
  #left: number;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
    this.#left = chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#left;
  }

  /** Fills `into` with the next bytes; there must be as many. */
  read(into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const rest = this.#rest(into.length - at);
      into.set(rest, at);
      at += rest.length;
      this.#advance(rest.length);
    }
  }

  /** Passes over bytes; there must be as many. */
  skip(bytes: number): void {
    for (let left = bytes; left > 0; ) {
      const { length } = this.#rest(left);
      left -= length;
      this.#advance(length);
    }
  }

  /** What is left of the current chunk, at most `most` bytes of it. */
  #rest(most: number): Uint8Array {
    let chunk = this.#chunks[this.#chunk];
    while (chunk !== undefined && this.#offset === chunk.length) {
      chunk = this.#chunks[++this.#chunk];
      this.#offset = 0;
    }
    if (chunk === undefined) throw new RangeError('read past the end of the chunks');
    return chunk.subarray(this.#offset, this.#offset + most);
  }

  #advance(bytes: number): void {
    this.#offset += bytes;
    this.#left -= bytes;
  }
}
