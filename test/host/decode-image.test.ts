import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage } from '../../shared/host/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { colourFile, greyAt, greyFile, greyPixels, pixelBomb, rawPng } from '../support/pictures.ts';

const grey = [28, 28, 1];
const colour = [32, 32, 3];

function furthest(a: Uint8Array, b: Uint8Array): number {
  assert.is(a.length, b.length);
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] ?? 0))), 0);
}

/** Asserts that all pixels are this colour, give or take `off`. */
function isPlain(pixels: Uint8Array, expected: readonly number[], off = 1): void {
  const at = pixels.findIndex(
    (value, index) => Math.abs(value - (expected[index % expected.length] ?? 0)) > off,
  );
  assert.is(at, -1, `byte ${at} is ${pixels[at]}`);
}

const Formats = suite('formats');

Formats('PNG and lossless WebP give their very pixels, JPEG nearly', async () => {
  const expected = greyPixels(28, 28);
  assert.is(furthest(await decodeImage(await greyFile(28, 28, 'png'), grey, 'off'), expected), 0);
  assert.is(furthest(await decodeImage(await greyFile(28, 28, 'webp'), grey, 'off'), expected), 0);
  assert.ok(furthest(await decodeImage(await greyFile(28, 28, 'jpeg'), grey, 'off'), expected) < 6);
});

Formats('a view into a larger buffer, at any address, is read alone', async () => {
  const file = await greyFile(28, 28, 'png');
  const larger = new Uint8Array(file.length + 30).fill(0x89);
  larger.set(file, 7);
  const view = larger.subarray(7, 7 + file.length);
  assert.is(furthest(await decodeImage(view, grey, 'off'), greyPixels(28, 28)), 0);
});

Formats('16 bits become 8', async () => {
  const png = rawPng(28, 28, 16, (y) =>
    Uint8Array.from({ length: 56 }, (_, at) => (at % 2 === 0 ? y * 9 : 0)),
  );
  const pixels = await decodeImage(png, grey, 'off');
  const expected = Uint8Array.from({ length: 784 }, (_, at) => Math.floor(at / 28) * 9);
  assert.ok(furthest(pixels, expected) <= 1, `off by ${furthest(pixels, expected)}`);
});

Formats('grey becomes colour and colour grey, as the bundle asks', async () => {
  const three = await decodeImage(await greyFile(32, 32, 'png'), colour, 'off');
  assert.is(three.length, 32 * 32 * 3);
  const expected = greyPixels(32, 32);
  for (let at = 0; at < expected.length; at++) {
    assert.equal([...three.subarray(at * 3, at * 3 + 3)], [expected[at], expected[at], expected[at]]);
  }
  isPlain(await decodeImage(await colourFile(28, 28, [200, 200, 200]), grey, 'off'), [200]);
  const green = await decodeImage(await colourFile(28, 28, [0, 255, 0]), grey, 'off');
  assert.ok((green[0] ?? 0) > 100 && (green[0] ?? 0) < 255, `green is ${green[0]}`);
  isPlain(await decodeImage(await colourFile(32, 32, [10, 20, 30]), colour, 'off'), [10, 20, 30]);
});

Formats('what is transparent is black', async () => {
  isPlain(await decodeImage(await colourFile(28, 28, [255, 255, 255, 0]), grey, 'off'), [0]);
  isPlain(await decodeImage(await colourFile(28, 28, [200, 200, 200, 128]), grey, 'off'), [100], 2);
  isPlain(await decodeImage(await colourFile(32, 32, [255, 0, 0, 255]), colour, 'off'), [255, 0, 0]);
});

Formats('a palette, a CMYK picture and one bit per pixel are read as well', async () => {
  const palette = await sharp(await colourFile(32, 32, [40, 80, 120]))
    .png({ palette: true })
    .toBuffer();
  isPlain(await decodeImage(palette, colour, 'off'), [40, 80, 120], 2);
  const cmyk = await sharp(await colourFile(32, 32, [90, 90, 90]))
    .toColourspace('cmyk')
    .jpeg()
    .toBuffer();
  assert.is((await decodeImage(cmyk, colour, 'off')).length, 3072);
  const bits = await sharp(await greyFile(28, 28, 'png'))
    .threshold(128)
    .png({ palette: true, colours: 2 })
    .toBuffer();
  const pixels = await decodeImage(bits, grey, 'off');
  assert.ok(pixels.every((value) => value < 3 || value > 252));
});

Formats('other formats are refused, though the library could read them', async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28"><rect width="9" height="9"/></svg>';
  const others: [string, Uint8Array][] = [
    ['SVG', new TextEncoder().encode(svg)],
    ['GIF', await greyFile(28, 28, 'gif')],
    ['TIFF', await greyFile(28, 28, 'tiff')],
  ];
  for (const [name, file] of others) {
    const outcome = await decodeImage(file, grey, 'off').then(
      () => `${name} was read`,
      (thrown: { code?: string }) => thrown.code,
    );
    assert.is(outcome, 'IMAGE_INVALID');
  }
});

Formats.run();

const Sizes = suite('sizes');

Sizes('with resizing off another size is refused and both sizes are named', async () => {
  const error = await rejectsCode(decodeImage(await greyFile(28, 30, 'png'), grey, 'off'), 'IMAGE_INVALID');
  assert.ok(error.message.includes('28 x 30') && error.message.includes('28 x 28'), error.message);
});

Sizes('every mode gives the size of the network', async () => {
  for (const mode of ['cover', 'contain', 'fill'] as const) {
    for (const [width, height] of [
      [100, 50],
      [50, 100],
      [7, 7],
      [28, 28],
      [1, 300],
    ] as const) {
      const pixels = await decodeImage(await greyFile(width, height, 'png'), grey, mode);
      assert.is(pixels.length, 784, `${mode} of ${width} x ${height}`);
    }
  }
});

Sizes('contain keeps the whole picture before black, cover fills, fill stretches', async () => {
  const wide = await colourFile(64, 32, [255, 255, 255]);
  const contain = await decodeImage(wide, colour, 'contain');
  assert.is(contain[0], 0, 'no black above');
  assert.is(contain[(16 * 32 + 16) * 3], 255);
  isPlain(await decodeImage(wide, colour, 'cover'), [255]);
  isPlain(await decodeImage(wide, colour, 'fill'), [255]);
});

Sizes('a picture of the right size is not touched by any mode', async () => {
  const file = await greyFile(28, 28, 'png');
  for (const mode of ['cover', 'contain', 'fill', 'off'] as const) {
    assert.is(furthest(await decodeImage(file, grey, mode), greyPixels(28, 28)), 0, mode);
  }
});

Sizes('an array of many megapixels in a small file is IMAGE_TOO_LARGE at once', async () => {
  const bomb = pixelBomb(20_000, 20_000);
  assert.ok(bomb.length < 200);
  const startedAt = performance.now();
  for (const mode of ['cover', 'fill'] as const)
    await rejectsCode(decodeImage(bomb, grey, mode), 'IMAGE_TOO_LARGE');
  assert.ok(performance.now() - startedAt < 1000);
  const off = await decodeImage(bomb, grey, 'off').catch((thrown: { code: string }) => thrown.code);
  assert.ok(off === 'IMAGE_TOO_LARGE' || off === 'IMAGE_INVALID');
});

Sizes('a lower limit of pixels holds to the pixel', async () => {
  const file = await greyFile(100, 50, 'webp');
  const pixels = await decodeImage(file, grey, 'cover', { maxPixels: 5000 });
  assert.is(pixels.length, 784);
  await rejectsCode(decodeImage(file, grey, 'cover', { maxPixels: 4999 }), 'IMAGE_TOO_LARGE', '4999 pixels');
});

Sizes('a picture is turned as its EXIF orientation says, and its size with it', async () => {
  // 6: the camera was held so that the stored rows are the columns of the picture, from the right.
  const turned = async (width: number, height: number) =>
    sharp(await greyFile(width, height, 'png'))
      .jpeg({ quality: 100 })
      .withMetadata({ orientation: 6 })
      .toBuffer();
  const upright = (width: number, height: number) =>
    Uint8Array.from({ length: width * height }, (_, at) =>
      greyAt(Math.floor(at / width), width - 1 - (at % width)),
    );
  const square = await decodeImage(await turned(28, 28), grey, 'off');
  assert.ok(furthest(square, upright(28, 28)) < 6, `off by ${furthest(square, upright(28, 28))}`);
  const tall = await decodeImage(await turned(30, 20), [30, 20, 1], 'off');
  assert.ok(furthest(tall, upright(20, 30)) < 6, `off by ${furthest(tall, upright(20, 30))}`);
  await rejectsCode(decodeImage(await turned(30, 20), [20, 30, 1], 'off'), 'IMAGE_INVALID', '20 x 30');
});

Sizes.run();

const Broken = suite('files that are no picture');

Broken('are IMAGE_INVALID, whatever they are', async () => {
  const png = await greyFile(28, 28, 'png');
  const files: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['one byte', Uint8Array.of(0x89)],
    ['text', new TextEncoder().encode('hello, this is no picture')],
    ['half a PNG', png.subarray(0, png.length / 2)],
    ['a PNG without its start', png.subarray(8)],
    ['a PNG signature alone', png.subarray(0, 8)],
    ['zeros', new Uint8Array(5000)],
    ['half a JPEG', (await greyFile(200, 200, 'jpeg')).subarray(0, 900)],
  ];
  for (const [name, file] of files) {
    for (const mode of ['cover', 'off'] as const) {
      const outcome = await decodeImage(file, grey, mode).then(
        () => 'it was read',
        (thrown: { code?: string; message: string }) => thrown.code ?? `no code: ${thrown.message}`,
      );
      assert.is(outcome, 'IMAGE_INVALID', `${name}, ${mode}`);
    }
  }
});

Broken.run();
