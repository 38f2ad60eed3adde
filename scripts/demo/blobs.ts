import { seededRandom } from '../calibrate/random.ts';

/** Height, width, channels. */
type Shape = readonly [height: number, width: number, channels: number];

const blobsPerPicture = 5;
/** Every picture has random numbers of its own, so that any one can be made without those before it. */
const seedStep = 7919;

/**
 * Makes up picture `index`, uint8 [height, width, channels], the same on every machine: soft blobs of random colours on a plain
 * ground. It shows nothing, but is as smooth as a photograph, which noise is not.
 */
export function blobPicture([height, width, channels]: Shape, index: number): Uint8Array {
  const random = seededRandom(index * seedStep);
  const colour = () => Float64Array.from({ length: channels }, () => random() * 255);
  const values = new Float64Array(height * width * channels);
  const ground = colour();
  for (let at = 0; at < values.length; at++) values[at] = ground[at % channels] ?? 0;
  for (let blob = 0; blob < blobsPerPicture; blob++) {
    const rows = bell(height, random);
    const columns = bell(width, random);
    paint(values, rows, columns, colour());
  }
  return Uint8Array.from(values);
}

/** A bell curve of random middle and width along one side, 0 to 1. */
function bell(length: number, random: () => number): Float64Array {
  const middle = random() * length;
  const deviation = (0.08 + 0.22 * random()) * length;
  return Float64Array.from({ length }, (_, at) => Math.exp(-(((at - middle) / deviation) ** 2) / 2));
}

/** Mixes a colour into the picture, as much of it as the two curves say. */
function paint(values: Float64Array, rows: Float64Array, columns: Float64Array, colour: Float64Array): void {
  let at = 0;
  for (const down of rows) {
    for (const across of columns) {
      for (const value of colour) {
        const before = values[at] ?? 0;
        values[at] = before + down * across * (value - before);
        at++;
      }
    }
  }
}
