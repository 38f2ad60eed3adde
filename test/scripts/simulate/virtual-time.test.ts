import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtualTime } from '../../../scripts/simulate/index.ts';

const Time = suite('virtual time');

Time(
  'lets things happen in the order of their moments, those of one moment in the order in which they were asked for',
  async () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    for (const [atMs, name] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [1, 'b'],
    ] as const) {
      time.at(atMs, () => seen.push(`${name}${time.now()}`));
    }
    await time.run();
    assert.equal(seen, ['a1', 'b1', 'c5', 'd5']);
    assert.equal([time.happened, time.waiting], [4, 0]);
  },
);

Time('forgets what was cancelled, and does not mind cancelling what has happened', async () => {
  const time = new VirtualTime();
  const seen: number[] = [];
  const cancel = time.schedule(10, () => seen.push(10));
  const late = time.schedule(5, () => cancel());
  await time.run();
  late();
  cancel();
  assert.equal(seen, []);
  assert.equal([time.now(), time.happened, time.waiting], [5, 1, 0]);
});

Time(
  'waits for whoever waits for a promise that an action settles, before anything else happens',
  async () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    let resolve = () => {};
    const settled = new Promise<void>((done) => {
      resolve = done;
    });
    void (async () => {
      await settled;
      for (let hop = 0; hop < 20; hop++) await null;
      seen.push(`told at ${time.now()}`);
      time.schedule(1, () => seen.push(`then at ${time.now()}`));
    })();
    time.at(3, () => {
      time.settle();
      resolve();
    });
    time.at(7, () => seen.push('later'));
    await time.run();
    assert.equal(seen, ['told at 3', 'then at 4', 'later']);
  },
);

Time('stops at a moment and goes on from there', async () => {
  const time = new VirtualTime();
  const seen: number[] = [];
  for (const atMs of [1, 2, 3]) time.at(atMs, () => seen.push(atMs));
  await time.run(2);
  assert.equal([seen, time.now(), time.waiting], [[1, 2], 2, 1]);
  await time.run();
  assert.equal(seen, [1, 2, 3]);
});

Time.run();
