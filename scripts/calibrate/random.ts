/** Numbers in [0, 1) that a seed, a whole number from 0 to 2^32 - 1, fixes for good on every machine (Mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place, every order being equally likely (Fisher and Yates). */
export function shuffle(values: Int32Array, random: () => number): void {
  for (let end = values.length - 1; end > 0; end--) {
    const other = Math.floor(random() * (end + 1));
    const kept = values[end] ?? 0;
    values[end] = values[other] ?? 0;
    values[other] = kept;
  }
}
