import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBundle } from '../../shared/bundle/index.ts';
import { decideExit, type ExitRecords } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import {
  constant,
  LinkEstimate,
  type Plan,
  type PlanCosts,
  type PlannedManifest,
  Planner,
  type Prediction,
} from '../../shared/plan/index.ts';
import { bundleFolders } from '../models/bundles.ts';
import { examples, fixedCosts, linkMs, manifestOf, recordsOf } from './records-source.ts';

/** What became of one image, followed through by the product's exit rule. */
interface Followed {
  readonly exit: number;
  readonly isRight: boolean;
  readonly isLate: boolean;
  /** Whether the caller gets a right answer by the deadline, the device standing in. */
  readonly isRightInTime: boolean;
  readonly ms: number;
  readonly bytes: number;
  readonly cloudMs: number;
  readonly deviceMs: number;
}

const deadlineMs = 55;

function follow(manifest: PlannedManifest, records: ExitRecords, image: number, plan: Plan): Followed {
  const decide = (exit: number) => {
    const { temperature, threshold } = manifest.exits[exit] ?? { temperature: 1 };
    const own = exit < plan.cut ? plan.thresholds[exit] : threshold;
    const isLast = exit === manifest.exits.length - 1;
    return decideExit({
      logits: records.logits(exit, image),
      temperature,
      threshold: isLast ? undefined : own,
    });
  };
  let exit = 0;
  while (!decide(exit).confident) exit++;
  const truth = records.labels[image];
  const isRight = decide(exit).label === truth;
  const standIn = decide(Math.max(0, plan.cut - 1)).label === truth;
  if (exit < plan.cut) {
    const ms = 2 + 7 * (exit + 1);
    const isLate = ms > deadlineMs;
    return { exit, isRight, isLate, isRightInTime: isRight, ms, bytes: 0, cloudMs: 0, deviceMs: ms };
  }
  const bytes = 30 + (plan.channels === undefined ? 16 * 16 * 3 : (plan.channels * 4 * 4 * 2) / 8 + 2);
  const deviceMs = plan.cut === 0 ? 0 : 2 + 7 * plan.cut + plan.cut / 4;
  const cloudMs = 1.5 * (exit - plan.cut + 1);
  const ms = deviceMs + linkMs(bytes) + 1.5 + cloudMs + (plan.cut === 0 ? 0.75 : 0);
  const isLate = ms > deadlineMs;
  const ownMs = plan.cut === 0 && isLate ? 2 + 7 : 0;
  const isRightInTime = isLate ? standIn : isRight;
  return { exit, isRight, isLate, isRightInTime, ms, bytes, cloudMs, deviceMs: deviceMs + ownMs };
}

function near(got: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(got - expected) <= 1e-7 * Math.max(1, Math.abs(expected)),
    `${what}: ${got}, not ${expected}`,
  );
}

function comparePlan(manifest: PlannedManifest, records: ExitRecords, prediction: Prediction): void {
  const { plan, latency } = prediction;
  const all = Array.from({ length: records.images }, (_, image) => follow(manifest, records, image, plan));
  const mean = (of: (one: Followed) => number | boolean) =>
    all.reduce((total, one) => total + Number(of(one)), 0) / all.length;
  const sorted = all.map(({ ms }) => ms).sort((one, other) => one - other);
  const rank = (level: number) => sorted[Math.ceil(level * sorted.length - 1e-9) - 1] ?? 0;
  near(
    prediction.accuracy,
    mean(({ isRight }) => isRight),
    `${plan.key} accuracy`,
  );
  near(
    prediction.accuracyInTime,
    mean(({ isRightInTime }) => isRightInTime),
    `${plan.key} in time`,
  );
  near(
    prediction.deviceShare,
    mean(({ exit }) => exit < plan.cut),
    `${plan.key} device share`,
  );
  near(
    prediction.bytes,
    mean(({ bytes }) => bytes),
    `${plan.key} bytes`,
  );
  near(
    prediction.cloudMs,
    mean(({ cloudMs }) => cloudMs),
    `${plan.key} cloud time`,
  );
  near(
    prediction.deviceMs,
    mean(({ deviceMs }) => deviceMs),
    `${plan.key} device time`,
  );
  near(
    prediction.lateShare,
    mean(({ isLate }) => isLate),
    `${plan.key} late`,
  );
  near(
    prediction.answeredMeanMs,
    mean(({ ms }) => Math.min(ms, deadlineMs)),
    `${plan.key} answered`,
  );
  near(
    latency.meanMs,
    mean(({ ms }) => ms),
    `${plan.key} mean`,
  );
  near(latency.p50Ms, rank(0.5), `${plan.key} p50`);
  near(latency.p95Ms, rank(0.95), `${plan.key} p95`);
  near(latency.p99Ms, rank(0.99), `${plan.key} p99`);
  const stages = Object.values(prediction.stagesMs).reduce((total, ms) => total + ms, 0);
  near(stages, latency.meanMs, `${plan.key} stages`);
  for (const { exit, share } of prediction.exits) {
    near(
      share,
      mean((one) => one.exit === exit),
      `${plan.key} share of exit ${exit}`,
    );
  }
}

const Plans = suite('the planner');

Plans('predicts what the exit rule does image by image, for every plan of random records', () => {
  fc.assert(
    fc.property(examples, fc.constantFrom('calibrated', 'stricter', 'any'), (example, candidates) => {
      const { manifest, records } = example;
      const planner = new Planner({ manifest, records, candidates, steps: 4 });
      const predictions = planner.predict(fixedCosts(manifest.segments.length), deadlineMs);
      assert.is(predictions.length, planner.plans.length);
      for (const prediction of predictions) comparePlan(manifest, records, prediction);
    }),
    { numRuns: 60 },
  );
});

for (const { name, folder } of bundleFolders) {
  Plans(`predicts what the exit rule does with the calibration records of ${name}`, async () => {
    const bundle = await openBundle(bundleFolder(folder), { segments: [] });
    const records = await bundle.records('calibration');
    // Without rates and with streams as long as packed ones, so that every image's bytes can be told.
    const cuts = bundle.manifest.cuts.map(({ after }) => ({ after, bits: 2 }));
    const manifest = { ...bundle.manifest, cuts };
    const planner = new Planner({ manifest, records, steps: 2 });
    const costs: PlanCosts = {
      ...fixedCosts(manifest.segments.length),
      image: { meanBytes: 16 * 16 * 3 },
      streams: planner.plans.flatMap(({ cut, channels }) =>
        channels === undefined ? [] : [{ cut, channels, meanBytes: (channels * 4 * 4 * 2) / 8 + 2 }],
      ),
    };
    for (const prediction of planner.predict(costs, deadlineMs)) comparePlan(manifest, records, prediction);
    near(planner.calibratedAccuracy, bundle.manifest.calibration.measured.accuracy, 'as calibrated');
  });

  Plans(`plans ${name} anew fast enough to do so at every change of the link`, async () => {
    const bundle = await openBundle(bundleFolder(folder), { segments: [] });
    const planner = new Planner({ manifest: bundle.manifest, records: await bundle.records('calibration') });
    const link = new LinkEstimate();
    const costs = fixedCosts(bundle.manifest.segments.length);
    const { cloud } = costs;
    assert.ok(cloud !== undefined);
    const times = Array.from({ length: 30 }, (_, round) => {
      link.observe({ sentBytes: 200, roundTripMs: 40 + round, atMs: round * 100 });
      const before = performance.now();
      planner.predict({ ...costs, cloud: { ...cloud, link: link.at(round * 100) } }, 200);
      return performance.now() - before;
    });
    // The fastest: whatever else the machine does must not fail the test.
    assert.ok(Math.min(...times) < 20, `${Math.min(...times)} ms`);
  });
}

Plans('offers only what the calibration allows unless asked for more', () => {
  fc.assert(
    fc.property(examples, ({ manifest, records }) => {
      const own = manifest.exits.map(({ threshold = 0 }) => threshold);
      for (const { thresholds, strictness } of new Planner({ manifest, records }).plans) {
        assert.is.not(strictness, 'other');
        thresholds.forEach((threshold, exit) => {
          assert.ok(threshold <= (own[exit] ?? 0), `${threshold} of ${own[exit]}`);
        });
      }
      const bare = new Planner({ manifest, records, candidates: 'calibrated' });
      assert.ok(bare.plans.every(({ thresholds }) => thresholds.every((value, exit) => value === own[exit])));
      assert.equal(
        bare.plans.map(({ cut }) => cut),
        manifest.segments.map((_, index) => manifest.segments.length - index).concat(0),
      );
      const keys = new Planner({ manifest, records, candidates: 'any' }).plans.map(({ key }) => key);
      assert.ok(keys.length >= bare.plans.length);
    }),
    { numRuns: 60 },
  );
});

Plans('keeps a level that all exits share shared, down to one at which nothing leaves', () => {
  fc.assert(
    fc.property(examples, fc.double({ min: 0.01, max: 1, noNaN: true }), ({ manifest, records }, level) => {
      const shared = manifestOf(manifest.cuts.map(() => level));
      const { plans } = new Planner({ manifest: shared, records });
      for (const { thresholds } of plans) assert.ok(thresholds.every((value) => value === thresholds[0]));
      assert.ok(plans.some(({ cut, thresholds }) => cut === 1 && thresholds[0] === 0));
    }),
    { numRuns: 40 },
  );
});

/** Two exits; the branch is sure of every other image and right about three of four, the last exit is always right. */
const images = Array.from({ length: 200 }, (_, image) => ({
  truth: 0,
  logits: [image % 2 === 0 ? [9, 0, 0] : image % 4 === 1 ? [0.1, 0, 0] : [0, 0.1, 0], [5, 0, 0]],
}));

Plans(
  'a lower rate costs the images that are sent what it costs all of them, where the doubt is theirs',
  () => {
    const manifest = manifestOf([0.5], [0.8, 0.9, 1]);
    const planner = new Planner({ manifest, records: recordsOf(images), candidates: 'calibrated' });
    const at = (channels: number) =>
      planner.predict(fixedCosts(2)).find(({ plan }) => plan.channels === channels);
    assert.is(at(8)?.accuracy, 1);
    const [some, few] = [at(5)?.accuracy ?? 0, at(2)?.accuracy ?? 0];
    assert.ok(some >= 0.9 && some < 0.91, `${some}`);
    assert.ok(few >= 0.8 && few < 0.82, `${few}`);
    assert.ok((at(2)?.bytes ?? 0) < (at(5)?.bytes ?? 0));
  },
);

Plans(
  'what a lower rate loses falls on images as the branch doubted them, whatever the last exit thought',
  () => {
    const truth = 0;
    // Leave on the device, the second in some doubt; the third is sent.
    const branch = [
      [9, 0, 0],
      [1, 0, 0],
      [0.1, 0, 0],
    ];
    const accuracyWith = (finals: readonly (readonly number[])[]) => {
      const records = recordsOf(
        branch.map((logits, image) => ({ truth, logits: [logits, finals[image] ?? []] })),
      );
      const planner = new Planner({
        manifest: manifestOf([0.9], [0.7, 0.9, 1]),
        records,
        candidates: 'calibrated',
      });
      return planner.predict(fixedCosts(2)).find(({ plan }) => plan.channels === 2)?.accuracy ?? 0;
    };
    const doubts = branch.map((logits) => decideExit({ logits, temperature: 0.5 }).entropy);
    const all = doubts.reduce((total, doubt) => total + doubt, 0);
    assert.ok((doubts[1] ?? 0) > 0.3 && (doubts[1] ?? 1) < 0.9, `${doubts[1]}`);
    const expected = 1 - 0.3 * ((doubts[2] ?? 0) / all);
    const [sure, torn] = [
      [5, 0, 0],
      [0.1, 0, 0],
    ];
    near(accuracyWith([sure, torn, sure]), expected, 'torn about one that leaves');
    near(accuracyWith([torn, sure, torn]), expected, 'torn about the one that is sent');
    const wrong = [0, 5, 0];
    near(
      accuracyWith([sure, wrong, sure]),
      1 - 0.3 * ((doubts[2] ?? 0) / (all - (doubts[1] ?? 0))),
      'wrong anyway',
    );
  },
);

Plans('answers late images by the device, and counts what that costs', () => {
  const planner = new Planner({
    manifest: manifestOf([0.5]),
    records: recordsOf(images),
    candidates: 'calibrated',
  });
  const costs = fixedCosts(2);
  const { cloud } = costs;
  assert.ok(cloud !== undefined);
  const dead = { ...costs, cloud: { ...cloud, link: { predictMs: () => constant(4000) } } };
  const split = planner.predict(dead, 200).find(({ plan }) => plan.cut === 1);
  assert.is(split?.lateShare, 0.5);
  assert.is(split?.accuracy, 1);
  assert.is(split?.accuracyInTime, 0.75);
  near(split?.answeredMeanMs ?? 0, (9 + 200) / 2, 'answered');
});

Plans('needs no cloud for edge-only, and plans nothing that the device cannot run', () => {
  const planner = new Planner({ manifest: manifestOf([0.5, 0.4]), records: recordsOf(wider(images)) });
  const { device, ...others } = fixedCosts(3);
  assert.ok(planner.predict({ device }).every(({ plan }) => plan.cut === 3));
  const weak = { ...others, device: { exitMs: device.exitMs.slice(0, 1) } };
  assert.equal([...new Set(planner.predict(weak).map(({ plan }) => plan.cut))], [1, 0]);
  assert.is(planner.choose({ device: { exitMs: [] } }, { aim: 'latency' }), undefined);
});

function wider(list: typeof images) {
  return list.map(({ truth, logits: [first = [], last = []] }) => ({ truth, logits: [first, last, last] }));
}

Plans('takes the duration of a cut that was never measured from one that was, by their operations', () => {
  const planner = new Planner({ manifest: manifestOf([0, 0]), records: recordsOf(wider(images)) });
  const costs = fixedCosts(3);
  const { cloud } = costs;
  assert.ok(cloud !== undefined);
  const lines = [{ cut: 2, exit: 2, perRowMs: 3, fixedMs: 0 }];
  const found = planner.predict({ ...costs, cloud: { ...cloud, lines } });
  const cloudMs = (cut: number) => found.find(({ plan }) => plan.cut === cut)?.cloudMs ?? 0;
  near(cloudMs(2), 3, 'cut 2');
  near(cloudMs(1), 5, 'cut 1');
  near(cloudMs(0), 6, 'cut 0');
  assert.throws(
    () => planner.predict({ ...costs, cloud: { ...cloud, lines: [] } }),
    (error: unknown) => error instanceof Error && error.message.startsWith('cloud.lines: got none'),
  );
});

Plans('larger batches share their fixed part, which segments that nobody reaches do not cost', () => {
  const planner = new Planner({ manifest: manifestOf([0]), records: recordsOf(images) });
  const costs = fixedCosts(2);
  const { cloud } = costs;
  assert.ok(cloud !== undefined);
  const lines = [
    { cut: 1, exit: 1, perRowMs: 2, fixedMs: 8 },
    { cut: 0, exit: 0, perRowMs: 1, fixedMs: 4 },
    { cut: 0, exit: 1, perRowMs: 3, fixedMs: 12 },
  ];
  const at = (cut: number, manifest = planner) =>
    manifest
      .predict({ ...costs, cloud: { ...cloud, batchRows: 4, lines } })
      .find(({ plan }) => plan.cut === cut)?.cloudMs ?? 0;
  near(at(1), 2 + 8 / 4, 'cut 1');
  near(at(0), 3 + 12 / 4, 'cut 0, nothing leaves on the way');
  const halved = new Planner({ manifest: manifestOf([0.5]), records: recordsOf(images) });
  near(at(0, halved), 1 + 4 / 4 + 2 * 0.5 + (8 * (1 - 0.5 ** 4)) / 4, 'cut 0, half leaves at the branch');
});

Plans('refuses records of nothing and steps that are none', () => {
  const manifest = manifestOf([0.5]);
  const message = (act: () => unknown) => {
    try {
      act();
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : '';
    }
    return 'nothing thrown';
  };
  assert.match(
    message(() => new Planner({ manifest, records: recordsOf([]) })),
    /^records: got none/,
  );
  assert.match(
    message(() => new Planner({ manifest, records: recordsOf(images), steps: 0 })),
    /^steps: got 0/,
  );
});

Plans(
  'a device on which images wait for each other sends what it would keep if they came one by one',
  async () => {
    const folder = fileURLToPath(new URL('../../models/b-resnet-cifar10', import.meta.url));
    const bundle = await openBundle(bundleFolder(folder), { segments: [] });
    const planner = new Planner({ manifest: bundle.manifest, records: await bundle.records('calibration') });
    const cloud = {
      link: { predictMs: () => constant(90), quantileMs: () => 90, shareWithin: () => 1 },
      ...{ queueMs: { medianMs: 0 }, batchRows: 1, lines: [{ cut: 0, exit: 2, perRowMs: 0, fixedMs: 3 }] },
    };
    const exitMs = [20, 120, 150].map((medianMs) => ({ medianMs }));
    const chosen = (imagesPerSecond?: number) => {
      const arriving =
        imagesPerSecond === undefined ? {} : { arriving: { imagesPerSecond, gapVariation: 1 } };
      const choice = planner.choose(
        { device: { exitMs, ...arriving }, cloud },
        { aim: 'latency', accuracyFloor: 0.92 },
      );
      return choice?.prediction;
    };
    assert.is(chosen()?.plan.cut, 1);
    const alone = planner.predict({ device: { exitMs }, cloud }).find(({ plan }) => plan.cut === 3);
    const crowded = planner
      .predict({ device: { exitMs, arriving: { imagesPerSecond: 10, gapVariation: 1 } }, cloud })
      .find(({ plan }) => plan.key === alone?.plan.key);
    assert.ok(
      (crowded?.meanMs ?? 0) > 1.5 * (alone?.meanMs ?? 0),
      `${crowded?.meanMs} against ${alone?.meanMs} ms`,
    );
    assert.is(crowded?.deviceMs, alone?.deviceMs, 'waiting is no work');
    const { stagesMs, meanMs = 0, latency } = crowded ?? {};
    const stages = Object.values(stagesMs ?? {}).reduce((sum, ms) => sum + ms, 0);
    assert.ok(Math.abs(stages - meanMs) < 1e-6 && Math.abs((latency?.meanMs ?? 0) - meanMs) < 1e-6);
    // At 40 images a second its first segment alone takes most of the time.
    assert.is(chosen(40)?.plan.cut, 0);
  },
);

Plans.run();
