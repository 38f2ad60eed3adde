/** Bytes that `count` codes of `bits` bits take when packed. */
export function packedLength(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/**
 * Packs codes without gaps, the first code in the lowest bits of the first byte; unused bits of the last byte are 0.
 * Writes `packedLength(codes.length, bits)` bytes at the start of `target`.
 */
export function pack(codes: Uint8Array, bits: number, target: Uint8Array): void {
  let position = 0;
  let held = 0;
  let heldBits = 0;
  for (let index = 0; index < codes.length; index++) {
    held |= (codes[index] ?? 0) << heldBits;
    heldBits += bits;
    if (heldBits < 8) continue;
    target[position++] = held;
    held >>>= 8;
    heldBits -= 8;
  }
  if (heldBits > 0) target[position] = held;
}

/** Undoes `pack`: fills `target` from the start of `packed`. */
export function unpack(packed: Uint8Array, bits: number, target: Uint8Array): void {
  const mask = (1 << bits) - 1;
  let position = 0;
  let held = 0;
  let heldBits = 0;
  for (let index = 0; index < target.length; index++) {
    if (heldBits < bits) {
      held |= (packed[position++] ?? 0) << heldBits;
      heldBits += 8;
    }
    target[index] = held & mask;
    held >>>= bits;
    heldBits -= bits;
  }
}
