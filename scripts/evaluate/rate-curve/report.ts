import { percent, table } from '../../output.ts';
import type { RunRecord } from '../run-record.ts';
import type { RateCurve } from './rate-curve.ts';
import type { Figures } from './tally.ts';
import { verdictWords } from './verdict-words.ts';

/** A rate curve for a person to read. */
export function rateCurveWords(curve: RateCurve, run: RunRecord): string {
  const { bundle, version, images, split, dataset, cut, approximateImages, webp, verdict } = curve;
  return [
    `${bundle} ${version} on ${images} ${split} images of ${dataset}, every one of them sent, cut ${cut}`,
    ...((approximateImages ?? 0) === 0
      ? []
      : [`${approximateImages} of them have pixels that only come close to the published ones`]),
    `WebP: ${webp.settings}, the best of ${webp.tried.length} settings tried`,
    '',
    table(['sent', 'bytes', 'p95', 'framed', 'accuracy', 'exit rule'], sentRows(curve)),
    '',
    'bytes: mean of stream or file; framed: with infer frame and WebSocket frame;',
    'accuracy: of the last exit; exit rule: when every image leaves at the first sure exit behind the cut',
    `one standard error of an accuracy is up to ${percent(largestError(curve))} here`,
    '',
    table(
      ['rate', 'bytes', 'accuracy', 'WebP of these bytes', 'WebP as accurate', 'times'],
      versusRows(curve),
    ),
    '',
    'Stream against file:',
    ...verdictWords(verdict.bytes),
    '',
    'Framed:',
    ...verdictWords(verdict.wireBytes),
    '',
    `${run.command}, ${run.date}`,
  ].join('\n');
}

function sentRows({ uncompressed, rates, webp }: RateCurve): string[][] {
  return [
    ...rates.map((rate) => sentRow(channelsWords(rate.channels), rate)),
    ...webp.points.map((point) => sentRow(`WebP ${point.quality}`, point)),
    sentRow('raw pixels', uncompressed),
  ];
}

function sentRow(name: string, { bytes, wireBytes, accuracy, exitRuleAccuracy }: Figures): string[] {
  return [
    name,
    bytes.mean.toFixed(1),
    String(bytes.p95),
    wireBytes.mean.toFixed(1),
    percent(accuracy),
    percent(exitRuleAccuracy),
  ];
}

function versusRows({ rates, verdict }: RateCurve): string[][] {
  return rates.map(({ channels, accuracy, bytes }, index) => {
    const { webpAccuracy = null, webpBytes = null } = verdict.bytes.atRates[index] ?? {};
    return [
      channelsWords(channels),
      bytes.mean.toFixed(1),
      percent(accuracy),
      webpAccuracy === null ? 'none so small' : percent(webpAccuracy),
      webpBytes === null ? 'never' : `${webpBytes.toFixed(1)} bytes`,
      webpBytes === null ? '-' : (webpBytes / bytes.mean).toFixed(2),
    ];
  });
}

function channelsWords(channels: number): string {
  return channels === 1 ? '1 channel' : `${channels} channels`;
}

/** Of the accuracies shown; binomial. */
function largestError({ uncompressed, rates, webp, images }: RateCurve): number {
  const errors = [uncompressed, ...rates, ...webp.points].map(({ accuracy }) =>
    Math.sqrt((accuracy * (1 - accuracy)) / images),
  );
  return Math.max(...errors);
}
