/** Height, width and channels of an image. */
export type ImageShape = readonly [number, number, number];

/** A change that a camera's pictures may undergo after calibration. */
export interface Shift {
  readonly name: string;
  /** A changed copy of an image, uint8 [height, width, channels]. */
  apply(image: Uint8Array, shape: ImageShape, random: () => number): Uint8Array<ArrayBuffer>;
}

const white = 255;
/** A normal curve has next to nothing beyond so many standard deviations. */
const kernelSigmas = 3;

/**
 * Corruptions in the manner of Hendrycks and Dietterich (Benchmarking Neural Network Robustness, ICLR 2019), two strengths of each,
 * and none.
 */
export const shifts: readonly Shift[] = [
  { name: 'none', apply: (image) => new Uint8Array(image) },
  ...[0.08, 0.15].map(
    (sigma): Shift => ({
      name: `noise ${sigma}`,
      apply: (image, _shape, random) => addNoise(image, sigma, random),
    }),
  ),
  ...[1, 2].map(
    (sigma): Shift => ({ name: `blur ${sigma}`, apply: (image, shape) => blur(image, shape, sigma) }),
  ),
  ...[0.4, 0.2].map(
    (factor): Shift => ({
      name: `contrast ${factor}`,
      apply: (image, shape) => changeContrast(image, shape, factor),
    }),
  ),
];

/**
 * Adds normal noise of its own to every value.
 * @param sigma standard deviation, as a share of the whole range of a value.
 * @param random numbers in [0, 1).
 */
export function addNoise(image: Uint8Array, sigma: number, random: () => number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(image, (value) => toByte(value + white * sigma * normal(random)));
}

/**
 * Draws every value towards the mean of its channel.
 * @param factor of the distance to the mean; 0 leaves nothing else, 1 changes nothing.
 */
export function changeContrast(
  image: Uint8Array,
  [height, width, channels]: ImageShape,
  factor: number,
): Uint8Array<ArrayBuffer> {
  const means = new Float64Array(channels);
  for (const [index, value] of image.entries()) {
    means[index % channels] = (means[index % channels] ?? 0) + value / (height * width);
  }
  return Uint8Array.from(image, (value, index) => {
    const mean = means[index % channels] ?? 0;
    return toByte(mean + factor * (value - mean));
  });
}

/**
 * Spreads every value by a normal curve; what would leave at a border is thrown back, so that the mean stays.
 * @param sigma standard deviation, pixels.
 */
export function blur(image: Uint8Array, shape: ImageShape, sigma: number): Uint8Array<ArrayBuffer> {
  const [height, width, channels] = shape;
  const kernel = normalKernel(sigma);
  const down = spread(Float64Array.from(image), kernel, height, width * channels);
  return Uint8Array.from(spread(down, kernel, width, channels), toByte);
}

/** Half of a normal curve, from its middle on; the whole sums to 1. */
function normalKernel(sigma: number): Float64Array {
  const reach = Math.ceil(kernelSigmas * sigma);
  const weights = Float64Array.from({ length: reach + 1 }, (_, step) => Math.exp(-((step / sigma) ** 2) / 2));
  const total = weights.reduce((sum, weight, step) => sum + (step === 0 ? weight : 2 * weight), 0);
  return weights.map((weight) => weight / total);
}

/** Along the axis of `size` places that lie `stride` values apart. */
function spread(values: Float64Array, kernel: Float64Array, size: number, stride: number): Float64Array {
  return values.map((_, index) => {
    const place = Math.floor(index / stride) % size;
    const first = index - place * stride;
    const at = (other: number) => values[first + reflected(other, size) * stride] ?? 0;
    let sum = (kernel[0] ?? 0) * at(place);
    for (let step = 1; step < kernel.length; step++) {
      sum += (kernel[step] ?? 0) * (at(place - step) + at(place + step));
    }
    return sum;
  });
}

/** Where a place beyond a border lies in a mirror there: -1 on 0, -2 on 1. */
function reflected(place: number, size: number): number {
  const turn = ((place % (2 * size)) + 2 * size) % (2 * size);
  return turn < size ? turn : 2 * size - 1 - turn;
}

function toByte(value: number): number {
  return Math.min(white, Math.max(0, Math.round(value)));
}

/** A draw from the standard normal distribution (Box and Muller, 1958). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log1p(-random())) * Math.cos(2 * Math.PI * random());
}
