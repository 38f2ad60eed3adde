import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { maxJsonDepth, parseJson } from '../../../cloud/http/json-body.ts';
import { throwsCode } from '../../protocol/expect.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

const Json = suite('JSON of a stranger');

Json('is parsed as it stands', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      assert.equal(parseJson(bytes(text)), JSON.parse(text));
    }),
  );
});

Json('is taken up to the limit of its depth, and no deeper', () => {
  parseJson(bytes(nested(maxJsonDepth)));
  throwsCode(() => parseJson(bytes(nested(maxJsonDepth + 1))), 'INFERENCE_INVALID', 'deeper');
  throwsCode(() => parseJson(bytes('{"a":'.repeat(100_000))), 'INFERENCE_INVALID', 'deeper');
});

Json('may have brackets in strings, after escaped quotes too', () => {
  const text = JSON.stringify({ a: '['.repeat(100), b: `\\"${'{'.repeat(100)}` });
  assert.equal(parseJson(bytes(text)), JSON.parse(text));
});

Json('that is none is refused without being quoted', () => {
  for (const text of ['', '{', '[1,]', 'NaN', '{"a":Infinity}', 'secret-words']) {
    throwsCode(() => parseJson(bytes(text)), 'INFERENCE_INVALID', `${text.length} bytes`);
  }
  try {
    parseJson(bytes('secret-words'));
  } catch (thrown) {
    assert.not.ok(String(thrown).includes('secret'));
  }
});

Json('in any other encoding than UTF-8 is refused', () => {
  throwsCode(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)), 'INFERENCE_INVALID');
});

Json('cannot change the prototype of anything', () => {
  const value = parseJson(bytes('{"__proto__": {"id": "x"}, "constructor": {"prototype": {"id": "y"}}}'));
  assert.ok(typeof value === 'object' && value !== null);
  assert.is(Object.getPrototypeOf(value), Object.prototype);
  assert.not.ok('id' in {});
  assert.not.ok('id' in value);
});

Json.run();
