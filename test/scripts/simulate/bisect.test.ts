import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Axis, bisect } from '../../../scripts/simulate/find/bisect.ts';

const devices: Axis = { easiest: 1, hardest: 100_000, step: 'whole' };
const bandwidth: Axis = { easiest: 1000, hardest: 0.001, step: 'any' };

/** Runs a search over what keeps; the value itself is what is found. */
async function search(axis: Axis, keeps: (value: number) => boolean) {
  const tried: number[] = [];
  const attempt = async (value: number) => {
    tried.push(value);
    return value;
  };
  const { kept, broke, runs } = await bisect(axis, attempt, keeps);
  assert.is(runs, tried.length);
  assert.is(new Set(tried).size, runs, 'nothing is tried twice');
  return { kept: kept?.value, broke: broke?.value, tried };
}

const Search = suite('a search');

Search(
  'ends at two values between which what keeps ends, a hundredth apart or next to each other',
  async () => {
    const counts = fc.integer({ min: 1, max: 99_999 });
    await fc.assert(
      fc.asyncProperty(counts, async (edge) => {
        const { kept = 0, broke = 0, tried } = await search(devices, (value) => value <= edge);
        assert.ok(kept <= edge && edge < broke, `${kept} to ${broke} around ${edge}`);
        assert.ok(broke - kept === 1 || broke <= 1.01 * kept);
        assert.ok(tried.every(Number.isInteger));
        assert.ok(Math.max(...tried) <= 2 * edge, 'no fleet far beyond the answer is tried');
        assert.ok(tried.length < 30, `${tried.length} runs`);
      }),
    );
  },
);

Search('goes down where less is harder', async () => {
  const rates = fc.double({ min: 0.0011, max: 999, noNaN: true });
  await fc.assert(
    fc.asyncProperty(rates, async (edge) => {
      const { kept = 0, broke = 0 } = await search(bandwidth, (value) => value >= edge);
      assert.ok(kept >= edge && edge > broke, `${broke} to ${kept} around ${edge}`);
      assert.ok(kept <= 1.01 * broke * (1 + 1e-9));
    }),
  );
});

Search('finds every small number to the unit', async () => {
  for (let edge = 1; edge <= 50; edge++) {
    const { kept, broke } = await search(devices, (value) => value <= edge);
    assert.equal([kept, broke], [edge, edge + 1]);
  }
});

Search('ends at an edge where keeping and breaking take turns near it', async () => {
  const keeps = (value: number) => value < 900 || (value < 1100 && value % 3 === 0);
  const { kept = 0, broke = 0 } = await search(devices, keeps);
  assert.ok(keeps(kept) && !keeps(broke), `${kept} keeps, ${broke} breaks`);
  assert.ok(kept >= 890 && broke <= 1110 && kept < broke, `${kept} to ${broke}`);
});

Search('ends whatever keeps', async () => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.boolean()), async (coins) => {
      const known = new Map<number, boolean>();
      const keeps = (value: number) => {
        const own = known.get(value) ?? coins.next().value === true;
        known.set(value, own);
        return own;
      };
      const { kept, broke, tried } = await search(devices, keeps);
      assert.ok(tried.length < 40);
      if (kept !== undefined) assert.ok(known.get(kept));
      if (broke !== undefined) assert.not(known.get(broke));
    }),
  );
});

Search('tries the easiest only where even that breaks', async () => {
  assert.equal(await search(devices, () => false), { kept: undefined, broke: 1, tried: [1] });
  assert.equal(await search(bandwidth, () => false), { kept: undefined, broke: 1000, tried: [1000] });
});

Search('ends at the hardest where even that keeps', async () => {
  const up = await search(devices, () => true);
  assert.equal([up.kept, up.broke], [100_000, undefined]);
  const down = await search(bandwidth, () => true);
  assert.equal([down.kept, down.broke], [0.001, undefined]);
  assert.equal(await search({ easiest: 1, hardest: 1, step: 'whole' }, () => true), {
    ...{ kept: 1, broke: undefined, tried: [1] },
  });
});

Search.run();
