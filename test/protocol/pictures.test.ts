import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pictureFormatOf, pictureFormats } from '../../shared/protocol/index.ts';
import { greyFile } from '../support/pictures.ts';
import { bytes } from './hex.ts';

const Formats = suite('formats of picture files');

Formats('a file is known by its first bytes', async () => {
  for (const format of pictureFormats) assert.is(pictureFormatOf(await greyFile(9, 9, format)), format);
  assert.is(pictureFormatOf(bytes('89504e470d0a1a0a')), 'png');
  assert.is(pictureFormatOf(bytes('ffd8ffe0')), 'jpeg');
  assert.is(pictureFormatOf(bytes('52494646 aabbccdd 57454250')), 'webp');
});

Formats('other files have none', async () => {
  for (const format of ['gif', 'tiff'] as const)
    assert.is(pictureFormatOf(await greyFile(9, 9, format)), undefined);
  // RIFF of another kind: sound.
  assert.is(pictureFormatOf(bytes('52494646 aabbccdd 57415645')), undefined);
});

Formats('the first bytes have to be there, all of them', async () => {
  for (const [format, length] of [
    ['png', 8],
    ['jpeg', 3],
    ['webp', 12],
  ] as const) {
    const file = await greyFile(9, 9, format);
    for (let have = 0; have < length; have++) assert.is(pictureFormatOf(file.subarray(0, have)), undefined);
    assert.is(pictureFormatOf(file.subarray(0, length)), format);
  }
});

Formats('random bytes have none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (file) => {
      assert.ok(pictureFormatOf(file) === undefined || (file[0] === 0xff && file[1] === 0xd8));
    }),
    { numRuns: 1000 },
  );
});

Formats.run();
