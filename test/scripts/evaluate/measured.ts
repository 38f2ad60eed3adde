import type { Measured, TimedCall } from '../../../scripts/evaluate/table/measure.ts';
import type { RowAnswer } from '../../../scripts/evaluate/table/networks.ts';
import { openBundle } from '../../../shared/bundle/index.ts';
import { jsonBytes, makeFixture } from '../../bundle/fixture.ts';

/** A call that left at `exit`; times to each exit passed, 0.5 ms of each on the way to the thread and back. */
function call(exit: number, label: number, reachedMs: readonly number[]): TimedCall {
  return {
    answer: { exit, label },
    reachedMs: [...reachedMs],
    threadMs: reachedMs.map((_, passed) => 0.5 * (passed + 1)),
  };
}

const answers = (...pairs: readonly (readonly [number, number])[]): RowAnswer[] =>
  pairs.map(([exit, label]) => ({ exit, label }));

/**
 * What might be observed of the bundle `tiny` on eight images, of which four were timed: five leave at the branch, two in the
 * middle, one at the end; one image of each of the first two exits is wrong. The baseline errs on four.
 */
export async function measuredFixture(baseline: 'with baseline' | 'without baseline'): Promise<Measured> {
  const fixture = await makeFixture();
  if (baseline === 'without baseline') {
    const { baseline: left, ...manifest } = fixture.manifest;
    fixture.files.set('manifest.json', jsonBytes(manifest));
  }
  const bundle = await openBundle(fixture.readFile, { segments: [] });
  const labels = Uint8Array.of(0, 1, 2, 0, 1, 2, 0, 1);
  return {
    bundle,
    dataset: 'mnist',
    cut: 1,
    labels,
    answers: {
      branchy: answers([0, 0], [0, 1], [0, 2], [0, 0], [0, 0], [1, 2], [1, 1], [2, 1]),
      ...(baseline === 'with baseline' && {
        baseline: answers([0, 0], [0, 1], [0, 2], [0, 0], [0, 0], [0, 0], [0, 1], [0, 0]),
      }),
    },
    timed: [0, 2, 4, 6],
    calls: {
      branchy: [call(0, 0, [1]), call(0, 2, [2]), call(0, 0, [1]), call(1, 1, [1, 6])],
      everyExit: [3, 1, 1, 2].map((ms) => call(2, 1, [ms, ms + 4, ms + 8])),
      ...(baseline === 'with baseline' && {
        baseline: [call(0, 0, [8]), call(0, 2, [8]), call(0, 0, [7]), call(0, 1, [9])],
      }),
    },
  };
}
