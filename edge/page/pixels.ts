/** Pictures to what a network takes. Pure, on RGBA and grey pixels as a canvas has them. */

export interface Grey {
  readonly side: number;
  /** 0 to 255, row by row. */
  readonly values: Uint8Array;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is drawn has to be this bright to count. */
const inkLevel = 40;

/** Where the ink is; `undefined` for an empty sheet. */
export function inkBox({ side, values }: Grey): Box | undefined {
  let [left, top, right, bottom] = [side, side, -1, -1];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if ((values[y * side + x] ?? 0) < inkLevel) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  if (right < 0) return undefined;
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** How far the centre of mass is from the middle, in pixels. */
export function offCentre({ side, values }: Grey): { readonly x: number; readonly y: number } {
  let [mass, alongX, alongY] = [0, 0, 0];
  for (const [index, value] of values.entries()) {
    mass += value;
    alongX += value * (index % side);
    alongY += value * Math.floor(index / side);
  }
  if (mass === 0) return { x: 0, y: 0 };
  const middle = (side - 1) / 2;
  return { x: middle - alongX / mass, y: middle - alongY / mass };
}

/**
 * A photograph of a digit as MNIST has them, light ink on black: turned over when its edge is light, as paper is, and stretched so
 * that paper is black and ink white.
 */
export function asInk(grey: Grey): Grey {
  const { side, values } = grey;
  const edge: number[] = [];
  for (let at = 0; at < side; at++) {
    for (const index of [at, (side - 1) * side + at, at * side, at * side + side - 1])
      edge.push(values[index] ?? 0);
  }
  edge.sort((one, other) => one - other);
  const paper = edge[edge.length >> 1] ?? 0;
  const isLight = paper > 127;
  const inked = values.map((value) => Math.max(0, isLight ? paper - value : value - paper));
  const most = inked.reduce((highest, value) => Math.max(highest, value), 0);
  // What differs so little from the paper is its grain.
  if (most < inkLevel) return { side, values: new Uint8Array(values.length) };
  return { side, values: inked.map((value) => Math.round((255 * value) / most)) };
}

export function greyOf(rgba: Uint8ClampedArray, side: number): Grey {
  const values = new Uint8Array(side * side);
  for (let index = 0; index < values.length; index++) {
    const [red = 0, green = 0, blue = 0] = rgba.subarray(4 * index, 4 * index + 3);
    values[index] = Math.round(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  }
  return { side, values };
}

/** Uint8 [height, width, channels] of RGBA. */
export function withoutAlpha(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let at = 0, to = 0; at < rgba.length; at += 4, to += 3) rgb.set(rgba.subarray(at, at + 3), to);
  return rgb;
}

/** RGBA of uint8 [height, width, channels], of one or three channels. */
export function rgbaOf(pixels: Uint8Array, channels: number): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((pixels.length / channels) * 4);
  for (let index = 0; index < rgba.length / 4; index++) {
    for (let channel = 0; channel < 3; channel++) {
      rgba[4 * index + channel] = pixels[index * channels + Math.min(channel, channels - 1)] ?? 0;
    }
    rgba[4 * index + 3] = 255;
  }
  return rgba;
}
