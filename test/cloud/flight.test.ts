import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Flight, type FlightPlan } from '../../cloud/flight.ts';
import { serveBundle } from '../../cloud/index.ts';
import { throwsCode } from '../protocol/expect.ts';
import { openRealBundle, withThreshold } from '../runtime/real-bundle.ts';

const served = serveBundle(withThreshold(await openRealBundle(), 0.5));
const { classes } = served;
const codeSize = served.graphs[1]?.input.shape.reduce((product, size) => product * size, 1) ?? 0;
const imageSize = served.graphs[0]?.input.shape.reduce((product, size) => product * size, 1) ?? 0;

function flight(change: Partial<FlightPlan> & { readonly rows: number }): Flight {
  const tensor = new Uint8Array(change.rows * imageSize);
  return new Flight({ served, cut: 0, way: 'cascade', deepestExit: 1, tensor, ...change });
}

/** Logits of rows that are sure of the class named, or of none where it is undefined. */
function logitsOf(...sureOf: (number | undefined)[]): Float32Array<ArrayBuffer> {
  const logits = new Float32Array(sureOf.length * classes);
  for (const [row, label] of sureOf.entries()) if (label !== undefined) logits[row * classes + label] = 50;
  return logits;
}

/** Codes of which every byte is the row's number. */
function codesOf(rows: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: rows * codeSize }, (_, at) => Math.floor(at / codeSize));
}

const labels = (logits: Float32Array): number[] =>
  Array.from({ length: logits.length / classes }, (_, row) =>
    logits.subarray(row * classes, (row + 1) * classes).indexOf(50),
  );

const Cascade = suite('a batch on its way through the segments');

Cascade('sure rows leave, and the codes of the others go on, packed in their order', () => {
  const own = flight({ rows: 4 });
  assert.equal([own.next()?.key, own.next()?.rows], [`${served.id}/s0`, 4]);
  own.pass({ outputs: [logitsOf(3, undefined, 5, undefined), codesOf(4)], runMicros: 10 });
  const leg = own.next();
  assert.equal([leg?.key, leg?.rows], [`${served.id}/s1`, 2]);
  assert.equal([...new Set(leg?.tensor)], [1, 3]);
  own.pass({ outputs: [logitsOf(7, 8)], runMicros: 5 });
  assert.is(own.next(), undefined);
  const { exits, logits, depthCut, codes } = own.landed(0, 4);
  assert.equal(
    [exits, labels(logits)],
    [
      [0, 1, 0, 1],
      [3, 7, 5, 8],
    ],
  );
  assert.equal([depthCut, codes, own.runMicros], [undefined, undefined, 15]);
});

Cascade('at the deepest exit allowed all leave, and those it was not sure of are named', () => {
  const own = flight({ rows: 4, deepestExit: 0 });
  own.pass({ outputs: [logitsOf(3, undefined, undefined, 2), codesOf(4)], runMicros: 1 });
  assert.is(own.next(), undefined);
  assert.equal(own.landed(0, 4).depthCut, [1, 2]);
  assert.equal(own.landed(2, 4), { ...own.landed(2, 4), exits: [0, 0], depthCut: [0] });
  assert.is(own.landed(3, 4).depthCut, undefined);
});

Cascade('the last exit cuts no depth, however unsure it is', () => {
  const own = flight({ rows: 1, cut: 1, tensor: codesOf(1) });
  own.pass({ outputs: [logitsOf(undefined)], runMicros: 1 });
  assert.equal([own.landed(0, 1).exits, own.landed(0, 1).depthCut], [[1], undefined]);
});

Cascade('a row without numbers fails its own request, and no other', () => {
  const own = flight({ rows: 3 });
  const logits = logitsOf(1, undefined, 2);
  logits[classes] = Number.NaN;
  own.pass({ outputs: [logits, codesOf(3)], runMicros: 1 });
  assert.is(own.next(), undefined, 'the row went on');
  assert.equal(own.landed(0, 1).exits, [0]);
  assert.equal(own.landed(2, 3).exits, [0]);
  throwsCode(() => own.landed(1, 2), 'RUNTIME_FAILED', 'Row 0');
  throwsCode(() => own.landed(0, 3), 'RUNTIME_FAILED', 'Row 1');
});

Cascade('a segment without logits is RUNTIME_FAILED', () => {
  throwsCode(() => flight({ rows: 1 }).pass({ outputs: [codesOf(1)], runMicros: 1 }), 'RUNTIME_FAILED', 's0');
});

Cascade.run();

const Alone = suite('a single segment');

Alone('every row has its logits and its codes, sure or not', () => {
  const own = flight({ rows: 3, way: 'segment', deepestExit: 0 });
  own.pass({ outputs: [logitsOf(4, undefined, 6), codesOf(3)], runMicros: 1 });
  assert.is(own.next(), undefined);
  const { exits, logits, depthCut, codes } = own.landed(1, 3);
  assert.equal([exits, labels(logits), depthCut], [[0, 0], [-1, 6], undefined]);
  assert.equal([...new Set(codes)], [1, 2]);
  assert.is(codes?.length, 2 * codeSize);
});

Alone('the last segment has no codes', () => {
  const own = flight({ rows: 1, cut: 1, way: 'segment', tensor: codesOf(1) });
  own.pass({ outputs: [logitsOf(4)], runMicros: 1 });
  assert.equal([own.landed(0, 1).exits, own.landed(0, 1).codes], [[1], undefined]);
});

Alone.run();
