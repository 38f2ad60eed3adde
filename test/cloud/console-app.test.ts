/** What the console's page decides, without a browser. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  continued,
  keptSeconds,
  meanBatchRows,
  nextSecond,
  noPast,
  type Past,
  stacked,
} from '../../cloud/console/app/past.ts';
import { Poll, pauseMs, type Reply } from '../../cloud/console/app/poll.ts';
import { age, duration, shares } from '../../cloud/console/app/words.ts';
import { Recorder } from '../../cloud/console/recorder.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const Pieces = suite('the last minutes, put together');

Pieces('are those of the server, whenever it was asked', () => {
  const waits = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(waits, (seconds) => {
      const clock = new VirtualClock();
      const recorder = new Recorder(clock);
      let past: Past = noPast;
      let at = 0;
      for (const wait of seconds) {
        for (let second = 0; second < wait; second++, at++) {
          for (let row = 0; row < at % 5; row++) recorder.onRow(at % 3);
          clock.advance(1000);
        }
        past = continued(past, recorder.history(nextSecond(past)));
      }
      const whole = recorder.history();
      // Where somebody has asked before the server has forgotten, the page may know less, never other things.
      const skipped = past.firstSecond - whole.firstSecond;
      assert.ok(skipped >= 0 && past.rows.length <= keptSeconds);
      assert.equal(past.rows, whole.rows.slice(skipped));
      assert.equal(past.queueP95Ms, whole.queueP95Ms.slice(skipped));
      for (const [exit, rows] of whole.exits.entries()) {
        assert.equal(past.exits[exit], rows.slice(skipped));
      }
    }),
    { numRuns: 30 },
  );
});

Pieces('begin anew where a piece does not follow', () => {
  const piece = { batches: [1], refusals: [0], queueP95Ms: [null], exits: [[2]] };
  const past = continued(noPast, { ...piece, firstSecond: 10, rows: [2] });
  assert.equal([past.firstSecond, nextSecond(past)], [10, 11]);
  assert.equal(continued(past, { ...piece, firstSecond: 12, rows: [7] }).rows, [7]);
  assert.equal(continued(past, { ...piece, firstSecond: 3, rows: [8] }).rows, [8]);
});

Pieces('stack exit upon exit, and have no mean where there is no batch', () => {
  assert.equal(
    stacked([
      [1, 2],
      [0, 3],
      [4, 0],
    ]),
    [
      [5, 5],
      [1, 5],
      [1, 2],
    ],
  );
  assert.equal(meanBatchRows({ ...noPast, rows: [6, 0], batches: [4, 0] }), [1.5, null]);
});

Pieces.run();

const Asking = suite('asking the server');

/** A poll on a clock, with answers that can be changed. */
function polling(clock: VirtualClock) {
  const state: { reply: Reply; asked: number; heard: number } = {
    ...{ reply: { kind: 'away', reason: 'x' }, asked: 0, heard: 0 },
  };
  const poll = new Poll({
    ask: async () => {
      state.asked++;
      return state.reply;
    },
    onReply: () => {
      state.heard++;
    },
    schedule: (delayMs, action) => clock.schedule(delayMs, action),
  });
  return { poll, state };
}

async function pass(clock: VirtualClock, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    await settled();
  }
}

Asking(
  'is done once a second, less often while nobody answers, and at once again when somebody does',
  async () => {
    const clock = new VirtualClock();
    const { poll, state } = polling(clock);
    poll.start();
    await settled();
    await pass(clock, 60);
    // After 1, 2, 4, 8 and then every 10 seconds.
    assert.is(state.asked, 1 + 4 + 4);
    state.reply = { kind: 'refused', code: 'X', message: '' };
    await pass(clock, 10);
    const before = state.asked;
    await pass(clock, 20);
    assert.is(state.asked - before, 20);
    assert.equal([0, 1, 2, 3, 4, 5, 100].map(pauseMs), [1000, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  },
);

Asking('stops when it is paused, also with a question under way', async () => {
  const clock = new VirtualClock();
  const { poll, state } = polling(clock);
  poll.start();
  poll.pause();
  await settled();
  await pass(clock, 30);
  assert.equal([state.asked, state.heard, clock.pending], [1, 0, 0]);
  poll.start();
  poll.start();
  await settled();
  await pass(clock, 1);
  assert.is(clock.pending, 1, 'two rounds of questions');
});

Asking.run();

const Words = suite('figures as people read them');

Words('have units, and no more digits than they are worth', () => {
  assert.equal([null, 0.6789, 12.34, 999, 1234].map(duration), [
    '–',
    '0.679 ms',
    '12.3 ms',
    '999 ms',
    '1.23 s',
  ]);
  assert.equal([0, 59, 60, 3725, 90_000].map(age), ['0 s', '59 s', '1 min', '1 h 2 min', '1 d 1 h']);
  assert.equal(
    shares([1, 0, 3], (index) => `exit ${index}`),
    'exit 0 25 %, exit 2 75 %',
  );
  assert.equal(shares([0, 0], String), '–');
});

Words.run();
