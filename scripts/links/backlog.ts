const firstCapacity = 16;

/** What waits at a bottleneck: messages in the order in which they leave. Allocates only when it becomes longer than ever before. */
export class Backlog {
  /** A ring of pairs: when it leaves, how many bytes. Its capacity in messages is a power of two. */
  #ring = new Float64Array(2 * firstCapacity);
  #head = 0;
  #count = 0;
  #bytes = 0;

  push(leavesMs: number, bytes: number): void {
    if (2 * this.#count === this.#ring.length) this.#grow();
    const at = this.#place(this.#count);
    this.#ring[at] = leavesMs;
    this.#ring[at + 1] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Bytes that have not left at `nowMs`; those that have are forgotten. A message counts until its last byte has left. */
  bytesAt(nowMs: number): number {
    while (this.#count > 0) {
      const at = this.#place(0);
      if ((this.#ring[at] ?? 0) > nowMs) break;
      this.#bytes -= this.#ring[at + 1] ?? 0;
      this.#head++;
      this.#count--;
    }
    // Bytes are whole numbers, so that nothing is left of the sum when all have left.
    return this.#bytes;
  }

  /** When at most `bytes` are left; -Infinity when no more than that wait. */
  downToMs(bytes: number): number {
    let left = this.#bytes;
    let atMs = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < this.#count && left > bytes; index++) {
      const at = this.#place(index);
      atMs = this.#ring[at] ?? 0;
      left -= this.#ring[at + 1] ?? 0;
    }
    return atMs;
  }

  #place(index: number): number {
    return (2 * (this.#head + index)) & (this.#ring.length - 1);
  }

  #grow(): void {
    const longer = new Float64Array(2 * this.#ring.length);
    for (let index = 0; index < this.#count; index++) {
      const at = this.#place(index);
      longer[2 * index] = this.#ring[at] ?? 0;
      longer[2 * index + 1] = this.#ring[at + 1] ?? 0;
    }
    this.#ring = longer;
    this.#head = 0;
  }
}
