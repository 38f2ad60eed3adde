import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import {
  aims,
  constant,
  costsDiffer,
  judge,
  type Objective,
  type PlanCosts,
  PlanKeeper,
  Planner,
  type Prediction,
} from '../../shared/plan/index.ts';
import { examples, fixedCosts, manifestOf, recordsOf } from './records-source.ts';

/** The branch is sure of half of the images and right about three quarters; the last exit has all right. */
const planner = new Planner({
  manifest: manifestOf([0.5]),
  records: recordsOf(
    Array.from({ length: 200 }, (_, image) => ({
      truth: 0,
      logits: [image % 2 === 0 ? [9, 0, 0] : image % 4 === 1 ? [0.1, 0, 0] : [0, 0.1, 0], [5, 0, 0]],
    })),
  ),
  candidates: 'calibrated',
});

/** A device whose second segment takes `lastMs`, on a link of `linkMs`. */
function costs(linkMs: number, lastMs = 500): PlanCosts {
  const fixed = fixedCosts(2);
  return {
    ...fixed,
    device: { exitMs: [{ medianMs: 7 }, { medianMs: 7 + lastMs }] },
    ...(fixed.cloud && { cloud: { ...fixed.cloud, link: { predictMs: () => constant(linkMs) } } }),
  };
}

function chosenCut(linkMs: number, objective: Objective, lastMs?: number): number | undefined {
  return planner.choose(costs(linkMs, lastMs), objective)?.prediction.plan.cut;
}

const Choosing = suite('choosing a plan');

Choosing('least latency runs on the device what the link would take longer for', () => {
  assert.is(chosenCut(40, { aim: 'latency' }), 1);
  assert.is(chosenCut(40, { aim: 'latency' }, 20), 2);
  assert.is(chosenCut(2, { aim: 'latency' }), 0);
});

Choosing('the most right answers within a deadline come from where they are in time', () => {
  assert.is(chosenCut(40, { aim: 'accuracy', deadlineMs: 100 }), 1);
  assert.is(chosenCut(200, { aim: 'accuracy', deadlineMs: 100 }, 60), 2);
});

Choosing('the fewest bytes are none, unless the deadline does not allow it', () => {
  assert.is(chosenCut(40, { aim: 'bytes' }), 2);
  assert.is(chosenCut(40, { aim: 'bytes', deadlineMs: 100 }), 1);
});

Choosing('the least cloud time is none, unless the deadline does not allow it', () => {
  assert.is(chosenCut(40, { aim: 'cloud-time' }), 2);
  assert.is(chosenCut(40, { aim: 'cloud-time', deadlineMs: 100, inTimeShare: 1 }), 1);
});

Choosing('where no plan keeps the limits, the one that misses them by least is chosen and says so', () => {
  const choice = planner.choose(costs(5000), { aim: 'latency', accuracyFloor: 0.9, deadlineMs: 100 });
  assert.ok((choice?.shortfall ?? 0) > 0);
  assert.is(choice?.prediction.plan.cut, 2);
});

Choosing('never passes over a plan that keeps the limits and has less loss', () => {
  const objectives = fc.record(
    {
      aim: fc.constantFrom(...aims),
      accuracyFloor: fc.double({ min: 0, max: 1, noNaN: true }),
      deadlineMs: fc.double({ min: 1, max: 200, noNaN: true }),
      inTimeShare: fc.double({ min: 0, max: 1, noNaN: true }),
      latency: fc.constantFrom('mean' as const, 'p50' as const, 'p95' as const, 'p99' as const),
    },
    { requiredKeys: ['aim'] },
  );
  fc.assert(
    fc.property(examples, objectives, ({ manifest, records }, objective) => {
      const any = new Planner({ manifest, records, candidates: 'any', steps: 3 });
      const now = fixedCosts(manifest.segments.length);
      const choice = any.choose(now, objective);
      assert.ok(choice !== undefined);
      for (const prediction of any.predict(now, objective.deadlineMs)) {
        const { shortfall, loss } = judge(prediction, objective);
        assert.ok(choice.shortfall <= shortfall + 1e-9);
        if (shortfall <= choice.shortfall) assert.ok(choice.loss <= loss + 1e-9);
      }
    }),
    { numRuns: 60 },
  );
});

Choosing('an objective out of range is refused by name', () => {
  for (const [objective, field] of [
    [{ aim: 'latency', accuracyFloor: 1.1 }, 'accuracyFloor'],
    [{ aim: 'latency', deadlineMs: 0 }, 'deadlineMs'],
    [{ aim: 'latency', deadlineMs: Number.NaN }, 'deadlineMs'],
    [{ aim: 'latency', inTimeShare: -1 }, 'inTimeShare'],
  ] as const) {
    assert.throws(
      () => planner.choose(costs(40), objective),
      (error: unknown) =>
        error instanceof OfframpError && error.code === 'CONFIG_INVALID' && error.message.startsWith(field),
    );
  }
});

Choosing.run();

const Keeping = suite('keeping a plan');
const objective: Objective = { aim: 'latency' };

function predictions(linkMs: number): Prediction[] {
  return planner.predict(costs(linkMs, 80));
}

function cutOf(keeper: PlanKeeper, linkMs: number, nowMs: number): number | undefined {
  return keeper.keep(predictions(linkMs), nowMs)?.prediction.plan.cut;
}

Keeping('another plan takes over only when it has been better by the margin for the hold time', () => {
  const keeper = new PlanKeeper({ objective, margin: 0.1, holdMs: 1000 });
  assert.is(cutOf(keeper, 40, 0), 1);
  assert.is(cutOf(keeper, 200, 100), 1);
  assert.is(cutOf(keeper, 200, 1099), 1);
  assert.is(cutOf(keeper, 200, 1100), 2);
});

Keeping('a lead that breaks off counts from the start again', () => {
  const keeper = new PlanKeeper({ objective, margin: 0.1, holdMs: 1000 });
  assert.is(cutOf(keeper, 40, 0), 1);
  assert.is(cutOf(keeper, 200, 100), 1);
  assert.is(cutOf(keeper, 40, 900), 1);
  assert.is(cutOf(keeper, 200, 1000), 1);
  assert.is(cutOf(keeper, 200, 1999), 1);
  assert.is(cutOf(keeper, 200, 2000), 2);
});

Keeping('a plan that is better by less than the margin never takes over', () => {
  const keeper = new PlanKeeper({ objective, margin: 0.1, holdMs: 0 });
  assert.is(cutOf(keeper, 40, 0), 1);
  // 47 ms on the device, 50.5 in the cloud.
  const [best, kept] = [predictions(81), predictions(81).find(({ plan }) => plan.cut === 1)];
  const least = Math.min(...best.map(({ latency }) => latency.meanMs));
  const lead = 1 - least / (kept?.latency.meanMs ?? 0);
  assert.ok(lead > 0 && lead < 0.1, `${lead}`);
  for (const nowMs of [1, 5000, 100_000]) assert.is(cutOf(keeper, 81, nowMs), 1);
});

Keeping('a lead beyond the urgent margin need not last', () => {
  const keeper = new PlanKeeper({ objective, margin: 0.1, holdMs: 10_000, urgentMargin: 0.5 });
  assert.is(cutOf(keeper, 40, 0), 1);
  assert.is(cutOf(keeper, 150, 100), 1);
  assert.is(cutOf(keeper, 4000, 200), 2);
});

Keeping('a plan that can no longer be run is replaced at once, and the prediction is always of now', () => {
  const keeper = new PlanKeeper({ objective, margin: 0.1, holdMs: 10_000 });
  assert.is(cutOf(keeper, 40, 0), 1);
  const edgeOnly = predictions(40).filter(({ plan }) => plan.cut === 2);
  assert.is(keeper.keep(edgeOnly, 1)?.prediction, edgeOnly[0]);
  assert.is(keeper.keep([], 2), undefined);
});

Keeping.run();

const Differing = suite('costs that differ');

Differing('by more than the share in any figure', () => {
  const before = costs(40);
  assert.not(costsDiffer(before, costs(40), 0.1));
  assert.not(costsDiffer(before, costs(43), 0.1));
  assert.ok(costsDiffer(before, costs(50), 0.1));
  assert.ok(costsDiffer(before, costs(40, 700), 0.1));
  assert.ok(costsDiffer(before, { device: before.device }, 0.1));
  const { cloud } = before;
  assert.ok(cloud !== undefined);
  assert.ok(costsDiffer(before, { ...before, cloud: { ...cloud, queueMs: { medianMs: 20 } } }, 0.1));
  assert.ok(costsDiffer(before, { ...before, image: { meanBytes: 500 } }, 0.1));
});

Differing.run();
