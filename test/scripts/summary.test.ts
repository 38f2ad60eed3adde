import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { type Outcome, summarise } from '../../scripts/evaluate/summary.ts';
import { makeFixture } from '../bundle/fixture.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';

const { manifest } = await openRealBundle();
/** Three segments of 1000, 2000 and 3000 MACs, exits branch, middle and final. */
const { manifest: threeSegments } = await makeFixture();
const subject = { manifest, digest: '0'.repeat(64), dataset: 'mnist', split: 'test', cut: 1, budgetMs: 500 };
const stagesMs = { prepare: 0, device: 1, exit: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 };

function answered(label: number, changes: Partial<Answer> = {}): Answer {
  const own = { label, probabilities: new Float64Array(10), entropy: 0, exit: 'branch' };
  return {
    ...{ ...own, className: String(label) },
    ...{ route: 'exit', degraded: false, device: { ...own, runMs: 1 } },
    ...{ latencyMs: 1, stagesMs, bytesSent: 0 },
    ...changes,
  };
}

function outcome(answer: Answer | undefined, label = 3, finalLabel = 3): Outcome {
  return { answer, truth: 3, whole: { label, finalLabel } };
}

const Summary = suite('the figures of an evaluation');

Summary('count a label that differs from the one the whole network gives', () => {
  const outcomes = [outcome(answered(3)), outcome(answered(5)), outcome(answered(3), 8)];
  assert.is(summarise(outcomes, subject).placementMismatches, 2);
});

Summary(
  'count at a lower rate the labels that differ from full rate, and call that no placement fault',
  () => {
    const outcomes = [outcome(answered(3)), outcome(answered(5)), outcome(answered(3), 8)];
    const low = summarise(outcomes, { ...subject, manifest: threeSegments, channels: 1 });
    assert.equal([low.channels, low.fullRateDifferences, 'placementMismatches' in low], [1, 2, false]);
    for (const channels of [undefined, 2]) {
      const full = summarise(outcomes, { ...subject, manifest: threeSegments, channels });
      assert.equal([full.channels, full.placementMismatches, 'fullRateDifferences' in full], [2, 2, false]);
    }
  },
);

Summary('say nothing of channels where no codes are sent', () => {
  const alone = summarise([outcome(answered(3))], { ...subject, manifest: threeSegments, cut: 3 });
  assert.equal(['channels' in alone, alone.placementMismatches], [false, 0]);
});

Summary('hold an image without an answer for lost and wrong', () => {
  const { lost, accuracy, exits } = summarise([outcome(answered(3)), outcome(undefined)], subject);
  assert.equal([lost, accuracy, exits[0]?.share], [1, 0.5, 0.5]);
});

Summary('count degraded answers', () => {
  const late = answered(3, { degraded: true, reason: 'BUDGET_SPENT', bytesSent: 47 });
  assert.is(summarise([outcome(late), outcome(answered(3))], subject).degraded, 1);
});

Summary('take the last exit alone from the whole network', () => {
  assert.is(summarise([outcome(answered(3), 3, 4), outcome(answered(3))], subject).whole.accuracy, 0.5);
});

Summary('mean the bytes of offloaded images alone, and spread all bytes over all images', () => {
  const sent = answered(3, { route: 'features', exit: 'final', bytesSent: 48 });
  const inVain = answered(3, { degraded: true, reason: 'BUDGET_SPENT', bytesSent: 12 });
  assert.equal(summarise([outcome(sent), outcome(answered(3)), outcome(inVain)], subject).offload, {
    ...{ images: 1, bytesMean: 48, bytesP95: 48, bytesPerImage: 20 },
  });
});

Summary('count the MACs of the segments before the cut, and of those that ran for each image', () => {
  const at = { ...subject, manifest: threeSegments, cut: 2 };
  const outcomes = [
    outcome(answered(3, { exit: 'branch' })),
    outcome(answered(3, { exit: 'middle' })),
    outcome(answered(3, { exit: 'final', route: 'features' })),
  ];
  assert.equal(summarise(outcomes, at).macs, {
    device: 3000,
    meanDevice: (1000 + 3000 + 3000) / 3,
    mean: (1000 + 3000 + 6000) / 3,
  });
  const sent = [outcome(answered(3, { exit: 'middle', route: 'image' }))];
  assert.equal(summarise(sent, { ...at, cut: 0 }).macs, { device: 0, meanDevice: 0, mean: 3000 });
  const alone = [outcome(answered(3, { exit: 'final', route: 'edge-only' }))];
  assert.equal(summarise(alone, { ...at, cut: 3 }).macs, { device: 6000, meanDevice: 6000, mean: 6000 });
});

Summary('take for the device share what left there of its own accord, at any of its exits', () => {
  const at = { ...subject, manifest: threeSegments, cut: 2 };
  const outcomes = [
    outcome(answered(3, { exit: 'branch' })),
    outcome(answered(3, { exit: 'middle' })),
    outcome(answered(3, { exit: 'middle', degraded: true, reason: 'BUSY' })),
    outcome(answered(3, { exit: 'final', route: 'features' })),
    outcome(undefined),
  ];
  const { deviceShare, exits } = summarise(outcomes, at);
  assert.is(deviceShare, 0.4);
  assert.equal(
    exits.map(({ name, side, share }) => [name, side, share]),
    [
      ['branch', 'device', 0.2],
      ['middle', 'device', 0.4],
      ['final', 'cloud', 0.2],
    ],
  );
});

Summary('give the accuracy without the images that only come close to the published ones', () => {
  const outcomes = [outcome(answered(3)), outcome(answered(5)), outcome(answered(3)), outcome(undefined)];
  const plain = summarise(outcomes, subject);
  assert.equal([plain.accuracy, plain.exact, plain.approximateImages], [0.5, undefined, undefined]);
  const told = summarise(outcomes, { ...subject, approximate: new Set([1, 70]) });
  assert.equal([told.accuracy, told.exact, told.approximateImages], [0.5, { images: 3, accuracy: 2 / 3 }, 1]);
});

Summary.run();
