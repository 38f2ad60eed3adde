import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goodputKept } from '../../../../scripts/bench/cloud/bench.ts';

/** Rows a second in time, by the load as a share of capacity. */
function points(goodputs: Readonly<Record<string, number>>) {
  return Object.entries(goodputs).map(([share, goodputRowsPerSecond]) => ({
    offeredShare: Number(share),
    goodputRowsPerSecond,
  }));
}

const Goodput = suite('goodput past capacity');

Goodput('is the least of all loads above 1, over the best of all', () => {
  assert.is(goodputKept(points({ '0.5': 50, '1': 100, '1.1': 90, '1.25': 60, '1.5': 80 })), 0.6);
  assert.is(goodputKept(points({ '1': 95, '1.1': 100, '1.5': 97 })), 0.97);
});

Goodput('does not count a load that asks for less than there is', () => {
  assert.is(goodputKept(points({ '0.1': 10, '1': 99, '1.5': 100 })), 1);
});

Goodput.run();
