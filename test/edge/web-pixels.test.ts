import * as fc from 'fast-check';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { coverRectangle, greyOf, rgbOf } from '../../edge/web/pixels.ts';

const colours = [
  [0, 0, 0],
  [255, 255, 255],
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [12, 200, 99],
  [130, 131, 129],
];
const rgba = new Uint8ClampedArray(colours.flatMap((colour) => [...colour, 255]));

const Pixels = suite("a page's pixels");

Pixels('lose their alpha, and nothing else', () => {
  assert.equal(rgbOf(rgba), new Uint8Array(colours.flat()));
});

Pixels("become grey as a server's decoder makes them, to within rounding", async () => {
  const raw = { width: colours.length, height: 1, channels: 3 } as const;
  const theirs = await sharp(Uint8Array.from(colours.flat()), { raw }).toColourspace('b-w').raw().toBuffer();
  const ours = greyOf(rgba);
  for (const [index, value] of ours.entries()) {
    assert.ok(Math.abs(value - (theirs[index] ?? -9)) <= 2, `${colours[index]}: ${value}, ${theirs[index]}`);
  }
});

Pixels('that are grey stay as they are', () => {
  const greys = Array.from({ length: 256 }, (_, value) => [value, value, value, 255]);
  assert.equal(
    [...greyOf(new Uint8ClampedArray(greys.flat()))],
    Array.from({ length: 256 }, (_, v) => v),
  );
});

Pixels('are taken from the middle of a picture, in the shape of the input, as large as it has it', () => {
  assert.equal(coverRectangle({ width: 100, height: 50 }, 28, 28), { x: 25, y: 0, width: 50, height: 50 });
  assert.equal(coverRectangle({ width: 50, height: 100 }, 28, 28), { x: 0, y: 25, width: 50, height: 50 });
  assert.equal(coverRectangle({ width: 28, height: 28 }, 28, 28), { x: 0, y: 0, width: 28, height: 28 });
  const side = fc.integer({ min: 1, max: 10_000 });
  fc.assert(
    fc.property(side, side, side, side, (width, height, wide, high) => {
      const part = coverRectangle({ width, height }, wide, high);
      const isWithin = part.x >= -1e-6 && part.y >= -1e-6 && part.width <= width + 1e-6;
      const touches = Math.abs(part.width - width) < 1e-6 || Math.abs(part.height - height) < 1e-6;
      return isWithin && touches && Math.abs(part.width / part.height - wide / high) < 1e-6 * (wide / high);
    }),
  );
});

Pixels.run();
