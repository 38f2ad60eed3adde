const maxFrameHeadBytes = 14;
const maskBytes = 4;

/**
 * Follows a client's WebSocket frames (RFC 6455 section 5.2) byte by byte, and keeps none of them: whether a message has begun
 * and not ended, and how long it says it is. `ws` hands over whole messages only, and a peer that sends one a byte a minute
 * holds its memory for as long. What breaks the protocol is found by `ws`, which reads the same bytes.
 */
export class MessageProgress {
  readonly #head = new Uint8Array(maxFrameHeadBytes);
  #headLength = 0;
  /** Payload of the frame that has not come yet; only while its head is complete. */
  #missing = 0;
  /** Ordinal of the newest message or control frame. */
  #begun = 0;
  /** Between the first and the last frame of a message in several. */
  #fragmented = false;
  #declared = 0;

  /** Ordinal, from 1 on, of what has begun and not ended; 0 when everything has. */
  get unfinished(): number {
    return this.#headLength > 0 || this.#fragmented ? this.#begun : 0;
  }

  /** Payload bytes that the unfinished message has announced so far, whether or not they have come. */
  get declaredBytes(): number {
    return this.unfinished === 0 ? 0 : this.#declared;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const headMissing = this.#headSize() - this.#headLength;
      if (headMissing > 0) {
        if (this.#headLength === 0 && !this.#fragmented) this.#begin();
        const part = chunk.subarray(at, at + headMissing);
        this.#head.set(part, this.#headLength);
        this.#headLength += part.length;
        at += part.length;
        if (this.#headLength < this.#headSize()) continue;
        this.#missing = this.#payloadSize();
        if (!this.#isControl()) this.#declared += this.#missing;
      }
      const payload = Math.min(this.#missing, chunk.length - at);
      this.#missing -= payload;
      at += payload;
      if (this.#missing === 0) this.#endFrame();
    }
  }

  #begin(): void {
    this.#begun++;
    this.#declared = 0;
  }

  /** Bytes of the head as far as it is known: two until they are there. */
  #headSize(): number {
    if (this.#headLength < 2) return 2;
    const second = this.#head[1] ?? 0;
    const short = second & 0x7f;
    const length = short < 126 ? 0 : short === 126 ? 2 : 8;
    return 2 + length + (second & 0x80 ? maskBytes : 0);
  }

  #payloadSize(): number {
    const short = (this.#head[1] ?? 0) & 0x7f;
    const view = new DataView(this.#head.buffer);
    if (short < 126) return short;
    // Beyond 2^53 it is no longer exact, and far beyond any limit.
    return short === 126 ? view.getUint16(2) : view.getUint32(2) * 2 ** 32 + view.getUint32(6);
  }

  #isControl(): boolean {
    return ((this.#head[0] ?? 0) & 0x08) !== 0;
  }

  #endFrame(): void {
    const last = ((this.#head[0] ?? 0) & 0x80) !== 0;
    if (!this.#isControl()) this.#fragmented = !last;
    this.#headLength = 0;
  }
}
