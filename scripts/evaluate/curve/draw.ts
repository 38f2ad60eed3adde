import { percent } from '../../output.ts';
import { type Point, renderChart, type Series } from '../../plot/index.ts';
import { type CostKind, type Curve, costOf, type SinglePoint } from './curve.ts';

/** Draws a curve as an SVG document: accuracy over mean time or mean operations per image. `machine` is what times were measured on. */
export function drawCurve(curve: Curve, kind: CostKind, machine: string): string {
  return renderChart({
    id: `curve-${curve.bundle.replace(/[^a-z0-9-]/g, '-')}-${kind}`,
    title: `${curve.title}: accuracy against ${kind === 'ms' ? 'time' : 'operations'} per image`,
    subtitle: subtitle(curve, kind, machine),
    description: description(curve, kind),
    x: {
      label:
        kind === 'ms'
          ? 'time per image (ms), everything timed'
          : 'mean multiply-accumulate operations per image',
      from: 0,
    },
    y: { label: 'accuracy (%)' },
    series: [...sweepSeries(curve, kind), ...baselineSeries(curve, kind), ...markSeries(curve, kind)],
  });
}

function subtitle({ images, timedImages, dataset }: Curve, kind: CostKind, machine: string): string {
  const measured = `${count(images)} test images of ${dataset}.`;
  if (kind === 'macs') return measured;
  return `${measured} Times: medians to each exit over ${count(timedImages)} of them, batch size 1, one thread, ${machine}.`;
}

function sweepSeries(curve: Curve, kind: CostKind): Series[] {
  const best = curve.points.filter(({ bestFor }) => bestFor.includes(kind));
  const line = { kind: 'line', tone: 'blue' } as const;
  const byCost = (points: Curve['points']) =>
    points.map((point) => place(point, kind)).sort((a, b) => a.x - b.x);
  if (curve.exits.length <= 2) return [{ ...line, name: 'every threshold', points: byCost(curve.points) }];
  const others = curve.points.filter((point) => !best.includes(point));
  return [
    {
      kind: 'points',
      name: 'every combination of thresholds',
      tone: 'grey',
      shape: 'speck',
      points: byCost(others),
    },
    { ...line, name: 'the best of them', points: byCost(best) },
  ];
}

function baselineSeries({ baseline }: Curve, kind: CostKind): Series[] {
  if (baseline === null) return [];
  const point = { ...place(baseline, kind), label: 'baseline' };
  return [
    { kind: 'guide', tone: 'orange', axis: 'y', at: point.y },
    { kind: 'points', name: 'baseline, without branches', tone: 'orange', shape: 'square', points: [point] },
  ];
}

function markSeries({ singleExits, knee, operatingPoint }: Curve, kind: CostKind): Series[] {
  const bend = knee[kind];
  return [
    {
      kind: 'points',
      name: 'one exit for every image',
      tone: 'purple',
      shape: 'triangle',
      points: singleExits.map((exit) => ({ ...place(exit, kind), label: exit.name })),
    },
    ...(bend === null
      ? []
      : [
          {
            kind: 'points',
            name: 'knee',
            tone: 'green',
            shape: 'ring',
            radius: 8,
            points: [{ ...place(bend, kind), label: `knee (${thresholdWords(bend.thresholds)})` }],
          } as const,
        ]),
    {
      kind: 'points',
      name: 'thresholds of the manifest',
      tone: 'red',
      shape: 'star',
      radius: 7,
      points: [
        { ...place(operatingPoint, kind), label: `manifest (${thresholdWords(operatingPoint.thresholds)})` },
      ],
    },
  ];
}

function place(point: SinglePoint, kind: CostKind): Point {
  return { x: costOf(point, kind), y: point.accuracy * 100 };
}

function thresholdWords(thresholds: readonly number[]): string {
  return thresholds.map((threshold) => String(Number(threshold.toPrecision(2)))).join(', ');
}

function description(curve: Curve, kind: CostKind): string {
  const { baseline, singleExits, operatingPoint, knee } = curve;
  const at = (point: SinglePoint) => `${percent(point.accuracy)} at ${costWords(point, kind)}`;
  const bend = knee[kind];
  return [
    'Accuracy over mean cost per image while the thresholds of the branches vary.',
    ...singleExits.map((exit) => `Exit ${exit.name} alone: ${at(exit)}.`),
    bend === null
      ? 'The curve has no knee.'
      : `Knee, thresholds ${thresholdWords(bend.thresholds)}: ${at(bend)}.`,
    `Thresholds of the manifest, ${thresholdWords(operatingPoint.thresholds)}: ${at(operatingPoint)}.`,
    baseline === null ? 'The bundle has no baseline.' : `Baseline without branches: ${at(baseline)}.`,
    'Curve and knee are chosen on the images they are drawn for; the thresholds of the manifest were chosen on another split.',
  ].join(' ');
}

function costWords(point: SinglePoint, kind: CostKind): string {
  return kind === 'ms' ? `${point.meanMs.toPrecision(3)} ms` : `${count(point.meanMacs)} operations`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}
