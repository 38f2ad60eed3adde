import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { type Outcome, summarise } from '../../scripts/evaluate/summary.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';

const { manifest } = await openRealBundle();
const subject = { manifest, digest: '0'.repeat(64), dataset: 'mnist', split: 'test', cut: 1, budgetMs: 500 };
const stagesMs = { prepare: 0, device: 1, exit: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 };

function answered(label: number, changes: Partial<Answer> = {}): Answer {
  return {
    ...{ label, className: String(label), probabilities: new Float64Array(10), entropy: 0, exit: 'branch' },
    ...{ route: 'exit', degraded: false, device: { exit: 'branch', label, entropy: 0 } },
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

Summary('mean the bytes of offloaded images only', () => {
  const sent = answered(3, { route: 'features', exit: 'final', bytesSent: 48 });
  assert.equal(summarise([outcome(sent), outcome(answered(3))], subject).offload, {
    ...{ images: 1, bytesMean: 48, bytesP95: 48 },
  });
});

Summary.run();
