/**
 * A byte-oriented range coder (G. N. N. Martin, "Range encoding", Video & Data Recording Conference, 1979) with carries
 * as M. Schindler arranged them (1998): the encoder lets `low` overflow and adds the carry to the bytes already out.
 *
 * Both sides hold `range` in [2^24, 2^32) between symbols. A symbol owns the part [cumulative, cumulative + frequency) of
 * a total of 2^14, so range / total keeps at least 10 bits and the rounding loses less than 0.0015 bits per symbol; what
 * the division leaves over goes to the last symbol.
 */

/** Binary logarithm of the total of every frequency row. */
export const totalBits = 14;

const smallestRange = 2 ** 24;
const fullRange = 0xffffffff;
const empty: Uint8Array = new Uint8Array(0);

/** Most bytes that one symbol adds: a frequency of 1 takes the range from 2^24 down to 2^10, two bytes short. */
export const maximumSymbolBytes = 2;

/** Writes symbols into a buffer that it is given; `start`, then `put` per symbol, then `finish`. */
export class RangeEncoder {
  readonly #bytes: Uint8Array;
  #length = 0;
  #low = 0;
  #range = fullRange;

  /** `bytes` needs room for `maximumSymbolBytes` per symbol and one more byte. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  start(): void {
    this.#length = 0;
    this.#low = 0;
    this.#range = fullRange;
  }

  /** Writes the symbol that owns [from, to) of 2^14. */
  put(from: number, to: number): void {
    const unit = this.#range >>> totalBits;
    const below = unit * from;
    // low + range stays below 2^33: exact in a double, and the carry is what exceeds 32 bits.
    this.#low += below;
    this.#range = to >>> totalBits === 1 ? this.#range - below : unit * (to - from);
    if (this.#low > fullRange) this.#carry();
    while (this.#range < smallestRange) this.#shift();
  }

  /**
   * Ends the stream with the fewest bytes and returns their number. Any value in [low, low + range) decodes, and the
   * decoder reads zeros behind the end, so the value with the most trailing zero bytes is taken: one that needs no byte
   * of `low` at all, if there is one, else one that needs a single byte, which always exists as range >= 2^24.
   */
  finish(): number {
    const end = this.#low + this.#range;
    if (end > 2 ** 32 && this.#low > 0) {
      this.#carry();
    } else if (this.#low > 0) {
      this.#bytes[this.#length++] = Math.ceil(this.#low / smallestRange);
    }
    while (this.#length > 0 && this.#bytes[this.#length - 1] === 0) this.#length--;
    return this.#length;
  }

  // A carry turns a run of 0xff into zeros and raises one byte, like an increment of a counter in base 256: constant
  // time per symbol when counted over the stream.
  #carry(): void {
    const bytes = this.#bytes;
    let index = this.#length - 1;
    while (bytes[index] === 0xff) bytes[index--] = 0;
    bytes[index] = (bytes[index] ?? 0) + 1;
    this.#low -= 2 ** 32;
  }

  #shift(): void {
    this.#bytes[this.#length++] = this.#low >>> 24;
    this.#low = (this.#low << 8) >>> 0;
    this.#range = (this.#range << 8) >>> 0;
  }
}

/** Reads the symbols back; any bytes at all decode to something, so a checksum has to vouch for them. */
export class RangeDecoder {
  #bytes = empty;
  #length = 0;
  #position = 0;
  /** The stream's value less the encoder's `low`; below `range` whenever the stream came from the encoder. */
  #offset = 0;
  #range = fullRange;

  /** Begins at the start of `bytes`, of which `length` belong to the stream. */
  start(bytes: Uint8Array, length: number): void {
    this.#bytes = bytes;
    this.#length = length;
    this.#position = 0;
    this.#range = fullRange;
    this.#offset = 0;
    for (let count = 0; count < 4; count++) this.#offset = ((this.#offset << 8) | this.#nextByte()) >>> 0;
  }

  /**
   * Reads one symbol of 2^bits. `cumulative[row + s]` is where symbol s starts; symbols end where the next one starts,
   * the last one at 2^14. Finds the symbol in `bits` steps.
   */
  get(cumulative: Uint16Array, row: number, bits: number): number {
    const unit = this.#range >>> totalBits;
    let offset = this.#offset;
    // Without a branch, which random codes would make the processor guess wrong every other time: the sign of the
    // difference, spread over all bits, keeps the step or clears it.
    const wanted = (offset / unit) | 0;
    let symbol = 0;
    for (let step = 1 << (bits - 1); step > 0; step >>>= 1) {
      symbol += step & ~((wanted - (cumulative[row + symbol + step] ?? 0)) >> 31);
    }
    const below = unit * (cumulative[row + symbol] ?? 0);
    const isLast = symbol === (1 << bits) - 1;
    let range = isLast ? this.#range - below : unit * (cumulative[row + symbol + 1] ?? 0) - below;
    offset -= below;
    while (range < smallestRange) {
      offset = ((offset << 8) | this.#nextByte()) >>> 0;
      range = (range << 8) >>> 0;
    }
    this.#offset = offset;
    this.#range = range;
    return symbol;
  }

  /** Lets go of the stream, which may be a view into a far larger message. */
  release(): void {
    this.#bytes = empty;
  }

  #nextByte(): number {
    return this.#position < this.#length ? (this.#bytes[this.#position++] ?? 0) : 0;
  }
}
