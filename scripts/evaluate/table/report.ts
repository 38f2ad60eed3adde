import { percent, table } from '../../output.ts';
import type { RunRecord } from '../run-record.ts';
import type { BaselineFigures, BranchyFigures, TableEntry } from './figures.ts';
import type { Gain } from './lanes.ts';
import type { PaperPair } from './paper.ts';

const header = [
  'network',
  'accuracy',
  'ms',
  'gain',
  'typical',
  'gain',
  'thread-free',
  'gain',
  'thresholds',
  'exits %',
  'mean MACs',
];
const none = '-';

/** The table for a person to read. */
export function tableWords(entries: readonly TableEntry[], { machine, date }: RunRecord): string {
  return [
    `Time per image from the pixels to the answer, batch size 1, one thread, ${machine.cpu}, ${date}.`,
    'Segments, heads, softmax, entropy, codec and the way to the inference thread and back are in it; no network is.',
    '',
    ...entries.flatMap((entry) => [...entryWords(entry), '']),
    'ms: mean. typical: median time to each exit, weighted with the share of images that leave there. thread-free: typical, without',
    'the way to the inference thread and back, of which a network with branches needs one for every segment that runs.',
    'gain: time of the baseline over time of the row, in the unit of the column before it.',
    "Rows in brackets: BranchyNet's Table I, on the authors' CPU. Its times leave out branches, softmax and entropy. Its",
    'thresholds are entropies in nats; those of the bundles are normalised, nats divided by ln(classes).',
  ].join('\n');
}

function entryWords(entry: TableEntry): string[] {
  const { bundle, version, images, dataset, timedImages, cut, baseline, branchy, paper } = entry;
  const rows = [
    ...(baseline === null ? [] : [baselineRow(baseline)]),
    branchyRow(branchy),
    ...(paper === null ? [] : paperRows(paper)),
  ];
  const differing = entry.timedLabelsThatDiffer;
  return [
    `${bundle} ${version}: ${count(images)} test images of ${dataset}, ${count(timedImages)} of them timed; cut ${cut}`,
    table(header, rows),
    ...(baseline === null ? ['The bundle has no baseline: neither its row nor a gain.'] : []),
    ...exactWords(entry),
    ...(differing === 0 ? [] : [`${differing} timed answers are not those of the run in batches.`]),
  ];
}

function baselineRow({ accuracy, ms, macs }: BaselineFigures): string[] {
  return [
    'baseline',
    percent(accuracy),
    milliseconds(ms.mean),
    none,
    milliseconds(ms.typical),
    none,
    milliseconds(ms.typicalWithoutThread),
    none,
    none,
    none,
    count(macs),
  ];
}

function branchyRow({ accuracy, ms, gain, thresholds, exits, meanMacs }: BranchyFigures): string[] {
  return [
    'with branches',
    percent(accuracy),
    milliseconds(ms.mean),
    gain === null ? none : gainWords(gain.mean),
    milliseconds(ms.typical),
    gain === null ? none : times(gain.typical),
    milliseconds(ms.typicalWithoutThread),
    gain === null ? none : times(gain.typicalWithoutThread),
    thresholds.map((threshold) => String(Number(threshold.toPrecision(3)))).join(' '),
    exits.map(({ share }) => (share * 100).toFixed(1)).join(' '),
    count(meanMacs),
  ];
}

function paperRows({ baseline, branchy }: PaperPair): string[][] {
  const start = ({ network, accuracy, ms }: PaperPair['baseline']) => [
    `(${network})`,
    `${accuracy.toFixed(2)} %`,
    milliseconds(ms),
  ];
  const unknown = new Array<string>(4).fill(none);
  return [
    [...start(baseline), none, ...unknown, none, none, none],
    [
      ...start(branchy),
      `${branchy.gain.toFixed(1)}x`,
      ...unknown,
      branchy.thresholdsNats.join(' '),
      branchy.exitPercent.join(' '),
      none,
    ],
  ];
}

function exactWords({ baseline, branchy, images }: TableEntry): string[] {
  if (branchy.exact === undefined) return [];
  const without = baseline?.exact === undefined ? '' : `baseline ${percent(baseline.exact.accuracy)}, `;
  return [
    `${count(images - branchy.exact.images)} images have pixels that only come close to the published ones; accuracy on the ` +
      `others: ${without}with branches ${percent(branchy.exact.accuracy)}.`,
  ];
}

function milliseconds(value: number): string {
  return value.toPrecision(3);
}

function gainWords({ ratio, standardError }: Gain): string {
  return standardError === null ? times(ratio) : `${times(ratio)} ±${standardError.toFixed(2)}`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)}x`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}
