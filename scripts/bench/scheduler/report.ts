import { milliseconds, percent, table } from '../../output.ts';
import type { Contender } from './contenders.ts';
import type { Estimate } from './estimate.ts';
import type { FigureName } from './figures.ts';
import type { JudgedPoint, Sweep } from './sweep.ts';
import type { Comparison, JudgedFigure } from './verdict.ts';

interface Column {
  readonly title: string;
  readonly figure: FigureName;
  readonly show: (estimate: Estimate) => string;
}

const columns: readonly Column[] = [
  { title: 'deadline violations', figure: 'violationRatio', show: ({ mean }) => percent(mean) },
  { title: 'P95 latency', figure: 'p95Ms', show: ({ mean }) => milliseconds(mean) },
  { title: 'right answers in time', figure: 'rightInTime', show: ({ mean }) => percent(mean) },
  { title: 'mean exit depth', figure: 'meanDepth', show: ({ mean }) => mean.toFixed(3) },
];

const figureWords: Readonly<Record<JudgedFigure, string>> = {
  violationRatio: 'violations',
  p95Ms: 'P95',
};

/** What a run found, for people. */
export function benchWords(
  { points, models, capacityPerSecond }: Sweep,
  rules: readonly Contender[],
): string {
  const slos = [...new Set(points.map(({ sloMs }) => sloMs))];
  const rates = models.map((id, index) => `${(capacityPerSecond[index] ?? 0).toFixed(1)}/s of ${id}`);
  return [
    table(
      ['scheduler', 'rule'],
      rules.map(({ name, rule }) => [name, rule]),
    ),
    `Load 1 is ${rates.join(', ')}.`,
    ...slos.flatMap((sloMs) => {
      const own = points.filter((point) => point.sloMs === sloMs);
      return columns.map((column) => `SLO ${sloMs} ms: ${column.title}\n\n${figureTable(own, column)}`);
    }),
    verdictWords(points),
  ].join('\n\n');
}

function figureTable(points: readonly JudgedPoint[], { figure, show }: Column): string {
  const names = points[0]?.schedulers.map(({ name }) => name) ?? [];
  return table(
    ['load', ...names],
    points.map(({ load, schedulers }) => [
      String(load),
      ...schedulers.map(({ figures }) => show(figures[figure])),
    ]),
  );
}

/** Where ours is at or below every other scheduler in violations and P95, and where not. */
export function verdictWords(points: readonly JudgedPoint[]): string {
  const holding = points.filter(({ verdict }) => verdict.holds).length;
  const lines = points.flatMap(({ load, sloMs, verdict }) =>
    verdict.behind.map((comparison) => `SLO ${sloMs} ms, load ${load}: ${behindWords(comparison)}`),
  );
  return [
    `offramp is at or below every other scheduler in violations and P95, or within the 95 % confidence interval, at ${holding} of ${points.length} load points.`,
    ...(lines.length === 0
      ? ['On average it is at or below them everywhere.']
      : ['On average it is above:', ...lines]),
  ].join('\n');
}

function behindWords({ scheduler, figure, difference, standing }: Comparison): string {
  const show = figure === 'p95Ms' ? milliseconds : percent;
  const sure = standing === 'above' ? '' : ', within the interval';
  return `${figureWords[figure]} above ${scheduler} by ${show(difference.mean)} ± ${show(difference.plusMinus)}${sure}`;
}
