import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatTraceparent, parseTraceparent, traceparentLength } from '../../shared/trace/index.ts';

const Traceparent = suite('traceparent');

/** The example of W3C Trace Context, section 3.2. */
const example = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

Traceparent('is read as the specification has it', () => {
  assert.equal(parseTraceparent(example), {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    sampled: true,
  });
  assert.is(parseTraceparent(example.replace(/01$/, '00'))?.sampled, false);
  // Only the last bit says whether it is recorded; the others may come to mean something.
  assert.is(parseTraceparent(example.replace(/01$/, '03'))?.sampled, true);
  assert.is(parseTraceparent(example.replace(/01$/, '02'))?.sampled, false);
});

Traceparent('comes back from what was written', () => {
  fc.assert(
    fc.property(
      fc.bigInt(1n, 2n ** 128n - 1n),
      fc.bigInt(1n, 2n ** 64n - 1n),
      fc.boolean(),
      (trace, span, sampled) => {
        const parent = {
          traceId: trace.toString(16).padStart(32, '0'),
          spanId: span.toString(16).padStart(16, '0'),
          sampled,
        };
        const text = formatTraceparent(parent);
        assert.is(text.length, traceparentLength);
        assert.equal(parseTraceparent(text), parent);
      },
    ),
  );
});

Traceparent('that is none is passed over, whatever it is', () => {
  for (const text of [
    '',
    example.slice(1),
    `${example}-x`,
    example.toUpperCase(),
    example.replace('00-', 'ff-'),
    example.replace(/4bf9.*4736/, '0'.repeat(32)),
    example.replace('00f067aa0ba902b7', '0'.repeat(16)),
  ]) {
    assert.is(parseTraceparent(text), undefined, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = parseTraceparent(text);
      assert.ok(parsed === undefined || formatTraceparent(parsed).startsWith(text.slice(0, 52)));
    }),
  );
});

Traceparent.run();
