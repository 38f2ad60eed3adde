/**
 * Draws the project's own labelled digits: strokes of our own design, no image of any data set. In MNIST's convention: 28 x 28
 * grey, ink 255 on 0, the digit about 20 pixels high and centred by its mass. One in eight is made hard on purpose.
 *
 *     node --import tsx scripts/samples/draw-digits.ts [folder]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Glyph, glyphs } from './glyphs.ts';
import { blur, centreOfInk, clamp, drawInk, imageSide, type PenPoint, smooth } from './raster.ts';

/** A uniform number from 0 to below 1. */
type Random = () => number;

/** How one image is written and what happens to it. Lengths in pixels, angles as tangents, strengths from 0 to 1. */
interface Hand {
  readonly boxPixels: number;
  /** Width of the box over its height. */
  readonly aspect: number;
  readonly slant: number;
  /** Tangent of half the angle of rotation. */
  readonly turn: number;
  /** Standard deviation of each point, in hundredths of the box. */
  readonly jitter: number;
  readonly thickness: number;
  readonly blurs: readonly number[];
  readonly contrast: number;
  readonly noise: number;
  readonly clutterStrokes: number;
  /** Height of an erased band; 0 for none. */
  readonly erasedPixels: number;
}

/** Digits with their labels, and which of them were made hard. */
export interface DrawnDigits {
  /** `count` x 28 x 28 grey values. */
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
  readonly hard: readonly boolean[];
}

export const sampleSet = { count: 600, seed: 20261122 } as const;

/** Share of the images that are made hard. */
const hardShare = 0.125;

/**
 * Draws `count` digits, as many of each as can be. The same seed gives the same bytes on every machine: besides the four
 * operations only square roots are used, which IEEE 754 fixes to the last bit.
 */
export function drawDigits(options: { readonly count: number; readonly seed: number }): DrawnDigits {
  const random = mulberry32(options.seed);
  const order = Array.from({ length: options.count }, (_, index) => index);
  const labels = Uint8Array.from(shuffled(order, random), (place) => place % 10);
  const hard = shuffled(order, random).map((place) => place < hardShare * options.count);
  const pixels = new Uint8Array(options.count * imageSide * imageSide);
  for (const [index, label] of labels.entries()) {
    const easy = easyHand(random);
    const hand = hard[index] ? hardHand(easy, random) : easy;
    pixels.set(drawDigit(label, hand, random), index * imageSide * imageSide);
  }
  return { pixels, labels, hard };
}

/** Mulberry32: 32 bits of state, enough for a few hundred pictures. */
function mulberry32(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

/** Close to a normal number of mean 0 and deviation 1, without a logarithm. */
function bell(random: Random): number {
  return (random() + random() + random() + random() - 2) * Math.sqrt(3);
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('nothing to pick from');
  return item;
}

function shuffled(values: readonly number[], random: Random): number[] {
  const mixed = [...values];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const kept = mixed[last] ?? 0;
    mixed[last] = mixed[other] ?? 0;
    mixed[other] = kept;
  }
  return mixed;
}

function easyHand(random: Random): Hand {
  return {
    boxPixels: between(random, 18.5, 20.5),
    aspect: between(random, 0.66, 0.92),
    slant: 0.1 + 0.13 * bell(random),
    turn: 0.035 * bell(random),
    jitter: between(random, 1.2, 3.8),
    thickness: between(random, 1.9, 3.4),
    blurs: [between(random, 0.3, 0.8)],
    contrast: between(random, 0.9, 1),
    noise: 0,
    clutterStrokes: 0,
    erasedPixels: 0,
  };
}

/** Two of the things that go wrong with a picture. */
function hardHand(hand: Hand, random: Random): Hand {
  const sign = random() < 0.5 ? -1 : 1;
  const faults: Partial<Hand>[] = [
    { turn: sign * between(random, 0.14, 0.27) },
    { jitter: between(random, 5.5, 8) },
    { thickness: between(random, 1, 1.5), contrast: between(random, 0.45, 0.7) },
    { thickness: between(random, 4.2, 5.4) },
    { blurs: [1, 1, 1, 1, 1], thickness: between(random, 2.4, 3.4), contrast: between(random, 0.6, 0.9) },
    { noise: between(random, 0.1, 0.2) },
    { clutterStrokes: random() < 0.5 ? 1 : 2 },
    { erasedPixels: between(random, 2.5, 4.5) },
    { slant: sign * between(random, 0.5, 0.75) },
    { boxPixels: between(random, 11.5, 14.5), aspect: between(random, 0.9, 1.3) },
  ];
  const faulty = { ...hand, ...pick(faults, random), ...pick(faults, random) };
  // A thick pen in a small box leaves a blot that nobody could read.
  return { ...faulty, thickness: Math.min(faulty.thickness, faulty.boxPixels / 4.5) };
}

function drawDigit(label: number, hand: Hand, random: Random): Uint8Array {
  const glyph = pick(glyphs[label] ?? [], random);
  const written = fitted(bent(glyph, hand, random), hand);
  const centre = centreOfInk(drawInk(written));
  const points = written.flat();
  const dx = kept(
    imageSide / 2 - centre.x,
    points.map(({ x }) => x),
    hand,
  );
  const dy = kept(
    imageSide / 2 - centre.y,
    points.map(({ y }) => y),
    hand,
  );
  const strokes = shifted(written, dx, dy);
  for (let stroke = 0; stroke < hand.clutterStrokes; stroke += 1) strokes.push(clutter(hand, random));
  let ink: Float64Array = drawInk(strokes);
  for (const weight of hand.blurs) ink = blur(ink, weight);
  return developed(erased(ink, hand, random), hand, random);
}

/** The glyph's points moved a little each, leaned and turned; in units of the box's height. */
function bent(glyph: Glyph, hand: Hand, random: Random): PenPoint[][] {
  const square = hand.turn * hand.turn;
  const cosine = (1 - square) / (1 + square);
  const sine = (2 * hand.turn) / (1 + square);
  const moved = new Map<string, PenPoint>();
  return glyph.map((stroke) =>
    stroke.map(([left, top]) => {
      // Strokes that meet in a point must still meet when it has moved.
      const known = moved.get(`${left},${top}`);
      if (known !== undefined) return known;
      const up = 0.5 - (top + hand.jitter * bell(random)) / 100;
      const x = hand.aspect * ((left + hand.jitter * bell(random)) / 100 - 0.5) + hand.slant * up;
      const radius = (hand.thickness / 2) * between(random, 0.82, 1.18);
      const point = { x: x * cosine + up * sine, y: x * sine - up * cosine, radius };
      moved.set(`${left},${top}`, point);
      return point;
    }),
  );
}

/** Curves through the points, made to fill the box of the hand with their longer side. */
function fitted(strokes: readonly PenPoint[][], hand: Hand): PenPoint[][] {
  const curves = strokes.map(smooth);
  const points = curves.flat();
  const width = extent(points.map(({ x }) => x));
  const height = extent(points.map(({ y }) => y));
  const scale = (hand.boxPixels - hand.thickness) / Math.max(width, height);
  return curves.map((curve) =>
    curve.map(({ x, y, radius }) => ({
      x: imageSide / 2 + x * scale,
      y: imageSide / 2 + y * scale,
      radius,
    })),
  );
}

function extent(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values);
}

/** As much of a shift as leaves the line two pixels inside the image: the foot of a 7 is far from its middle. */
function kept(shift: number, positions: readonly number[], hand: Hand): number {
  const margin = 2 + hand.thickness / 2;
  const low = margin - Math.min(...positions);
  const high = imageSide - margin - Math.max(...positions);
  return Math.min(Math.max(shift, low), high);
}

function shifted(strokes: readonly PenPoint[][], dx: number, dy: number): PenPoint[][] {
  return strokes.map((stroke) => stroke.map(({ x, y, radius }) => ({ x: x + dx, y: y + dy, radius })));
}

/** A stray line near the digit. */
function clutter(hand: Hand, random: Random): PenPoint[] {
  const radius = hand.thickness * between(random, 0.3, 0.5);
  const x = between(random, 3, 25);
  const y = between(random, 3, 25);
  return [
    { x, y, radius },
    { x: x + between(random, -10, 10), y: y + between(random, -10, 10), radius },
  ];
}

function erased(ink: Float64Array, hand: Hand, random: Random): Float64Array {
  const top = between(random, 6, 22 - hand.erasedPixels);
  return ink.map((share, at) => {
    const row = Math.floor(at / imageSide);
    return row >= top && row < top + hand.erasedPixels ? 0 : share;
  });
}

/** Ink to grey values; the middle of a line saturates, as it does in a scan. */
function developed(ink: Float64Array, hand: Hand, random: Random): Uint8Array {
  return Uint8Array.from(ink, (share) => {
    const noise = hand.noise === 0 ? 0 : hand.noise * bell(random);
    return Math.round(255 * clamp(hand.contrast * clamp(share * 1.2) + noise));
  });
}

/** Big-endian idx as MNIST is published in: magic number, sizes, bytes. */
function idxFile(sizes: readonly number[], body: Uint8Array): Uint8Array {
  const headerBytes = 4 + 4 * sizes.length;
  const bytes = new Uint8Array(headerBytes + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0800 + sizes.length);
  for (const [index, size] of sizes.entries()) view.setUint32(4 + 4 * index, size);
  bytes.set(body, headerBytes);
  return bytes;
}

/** Gzip without a date and without the name of the system it was made on. */
function packed(bytes: Uint8Array): Uint8Array {
  const file = gzipSync(bytes, { level: 9 });
  file.fill(0, 4, 8);
  file[9] = 0xff;
  return file;
}

/** The sample set as the files of `models/samples`, by name. */
export function sampleFiles(options: {
  readonly count: number;
  readonly seed: number;
}): Map<string, Uint8Array> {
  const { pixels, labels } = drawDigits(options);
  return new Map([
    ['drawn-digits-images-idx3-ubyte.gz', packed(idxFile([labels.length, imageSide, imageSide], pixels))],
    ['drawn-digits-labels-idx1-ubyte.gz', packed(idxFile([labels.length], labels))],
  ]);
}

function main(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of sampleFiles(sampleSet)) {
    writeFileSync(join(folder, name), bytes);
    process.stdout.write(`${join(folder, name)}: ${bytes.length} bytes\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv[2] ?? fileURLToPath(new URL('../../models/samples', import.meta.url)));
}
