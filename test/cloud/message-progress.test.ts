import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageProgress } from '../../cloud/message-progress.ts';

const text = 0x1;
const continuation = 0x0;
const binary = 0x2;
const ping = 0x9;

interface Frame {
  readonly opcode: number;
  readonly last: boolean;
  readonly length: number;
  readonly masked: boolean;
}

/** A frame as RFC 6455 section 5.2 lays it out; its payload is zeros. */
function bytesOf({ opcode, last, length, masked }: Frame): Uint8Array {
  const mask = masked ? 0x80 : 0;
  const head = [(last ? 0x80 : 0) | opcode];
  if (length < 126) head.push(mask | length);
  else if (length < 65536) head.push(mask | 126, length >> 8, length & 0xff);
  else head.push(mask | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >> shift) & 0xff));
  if (masked) head.push(1, 2, 3, 4);
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  return bytes;
}

const frame = (opcode: number, length: number, last = true) =>
  bytesOf({ opcode, last, length, masked: true });

/** What is unfinished after each of the pieces. */
function after(...pieces: readonly Uint8Array[]): number[] {
  const progress = new MessageProgress();
  return pieces.map((piece) => {
    progress.push(piece);
    return progress.unfinished;
  });
}

const Progress = suite('progress of WebSocket messages');

Progress('nothing is unfinished before the first byte and after the last', () => {
  assert.is(new MessageProgress().unfinished, 0);
  assert.equal(after(frame(binary, 5)), [0]);
  assert.equal(after(frame(binary, 0)), [0]);
  assert.equal(after(new Uint8Array(0)), [0]);
});

Progress('a message is unfinished from its first byte on', () => {
  const whole = frame(binary, 200);
  for (let cut = 1; cut < whole.length; cut++) {
    assert.equal(after(whole.subarray(0, cut), whole.subarray(cut)), [1, 0], `cut at ${cut}`);
  }
});

Progress('the next message has another number, also in the same piece', () => {
  const two = Buffer.concat([frame(binary, 300), frame(binary, 300).subarray(0, 10)]);
  assert.equal(after(two.subarray(0, 20), two.subarray(20), frame(binary, 300).subarray(10)), [1, 2, 0]);
});

Progress('a message in several frames is one, with pings in between', () => {
  const pieces = [
    frame(text, 4, false),
    frame(ping, 3),
    frame(continuation, 0, false),
    frame(ping, 3).subarray(0, 4),
    frame(ping, 3).subarray(4),
    frame(continuation, 4),
  ];
  assert.equal(after(...pieces), [1, 1, 1, 1, 1, 0]);
});

Progress('a ping that stops in the middle is unfinished too', () => {
  assert.equal(after(frame(ping, 100).subarray(0, 50)), [1]);
});

Progress('says how long a message is going to be as soon as its head is there', () => {
  const progress = new MessageProgress();
  for (const [length, head] of [
    [100, 6],
    [5000, 8],
    [70_000, 14],
  ] as const) {
    const whole = frame(binary, length);
    progress.push(whole.subarray(0, head - 1));
    assert.is(progress.declaredBytes, 0);
    progress.push(whole.subarray(head - 1, head));
    assert.is(progress.declaredBytes, length);
    progress.push(whole.subarray(head));
    assert.is(progress.declaredBytes, 0);
  }
});

Progress('the frames of one message add up, pings do not', () => {
  const progress = new MessageProgress();
  for (const piece of [frame(binary, 1000, false), frame(ping, 50), frame(continuation, 1000, false)]) {
    progress.push(piece);
  }
  assert.is(progress.declaredBytes, 2000);
  progress.push(frame(continuation, 1000).subarray(0, 20));
  assert.is(progress.declaredBytes, 3000);
});

Progress('the largest length that can be written is understood', () => {
  const progress = new MessageProgress();
  progress.push(Uint8Array.of(0x82, 0xff, ...new Array<number>(8).fill(0xff), 0, 0, 0, 0));
  assert.is(progress.declaredBytes, 2 ** 64);
  assert.is(progress.unfinished, 1);
});

Progress('however the bytes are cut, the end of the last message is the end', () => {
  const anyFrame = fc.record({
    opcode: fc.constantFrom(binary, text, ping),
    last: fc.constant(true),
    length: fc.oneof(fc.nat({ max: 200 }), fc.constantFrom(125, 126, 127, 65535, 65536)),
    masked: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(anyFrame, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 400_000 }), { maxLength: 20 }),
      (frames, cuts) => {
        const all = Buffer.concat(frames.map(bytesOf));
        const ends = new Set<number>();
        frames.reduce((at, one) => {
          const end = at + bytesOf(one).length;
          ends.add(end);
          return end;
        }, 0);
        const places = [...new Set([0, ...cuts.map((cut) => cut % all.length), all.length])].sort(
          (a, b) => a - b,
        );
        const progress = new MessageProgress();
        for (const [index, start] of places.slice(0, -1).entries()) {
          const end = places[index + 1] ?? all.length;
          progress.push(all.subarray(start, end));
          assert.is(progress.unfinished === 0, ends.has(end), `at ${end}`);
        }
      },
    ),
    { numRuns: 200, seed: 6 },
  );
});

Progress.run();
