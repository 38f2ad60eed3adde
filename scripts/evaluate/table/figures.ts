import type { Manifest } from '../../../shared/bundle/index.ts';
import { mean } from '../../quantiles.ts';
import { costsOfExits, weighted } from './costs.ts';
import type { Measured, TimedCall } from './measure.ts';
import type { RowAnswer } from './networks.ts';
import { type PaperPair, paperRowsOf } from './paper.ts';
import { exitTimes, type GainFigures, gainFigures, msOf, type TimeFigures, timeFigures } from './times.ts';

/** Shares of right answers, fractions of 1. */
export interface AccuracyFigures {
  readonly accuracy: number;
  /** Without the images whose pixels only come close to the published ones; absent where the data folder lists none. */
  readonly exact?: { readonly images: number; readonly accuracy: number };
}

export interface BaselineFigures extends AccuracyFigures {
  readonly ms: TimeFigures;
  readonly macs: number;
  readonly parameters: number;
}

export interface ExitFigures {
  readonly name: string;
  /** Share of all images that left here. */
  readonly share: number;
  /** Share of right answers among them; `null` where there were none. */
  readonly accuracy: number | null;
  /** Mean time of the timed ones among them, milliseconds; `null` where there were none. */
  readonly meanMs: number | null;
}

export interface BranchyFigures extends AccuracyFigures {
  readonly ms: TimeFigures;
  /** `null` without a baseline. */
  readonly gain: GainFigures | null;
  /** Normalised entropies, 0 to 1. */
  readonly thresholds: readonly number[];
  readonly exits: readonly ExitFigures[];
  /** Multiply-accumulate operations per image over the segments that ran. */
  readonly meanMacs: number;
  readonly parameters: number;
}

/** The rows of Table I for one bundle. */
export interface TableEntry {
  readonly bundle: string;
  readonly version: string;
  readonly title: string;
  readonly digest: string;
  readonly dataset: string;
  readonly split: 'test';
  readonly images: number;
  /** Images that were timed, one at a time. */
  readonly timedImages: number;
  readonly cut: number;
  /** `null` where the bundle has none; nothing takes its place. */
  readonly baseline: BaselineFigures | null;
  readonly branchy: BranchyFigures;
  /** Timed images whose label is not the one of the run in batches. */
  readonly timedLabelsThatDiffer: number;
  readonly paper: PaperPair | null;
}

/** Adds up what was observed to the rows of the table. */
export function tableEntry(measured: Measured): TableEntry {
  const { bundle, calls, answers, timed, labels } = measured;
  const { manifest, digest } = bundle;
  return {
    bundle: manifest.id,
    version: manifest.version,
    title: manifest.title,
    digest,
    dataset: measured.dataset,
    split: 'test',
    images: labels.length,
    timedImages: timed.length,
    cut: measured.cut,
    baseline: baselineFigures(measured),
    branchy: branchyFigures(measured),
    timedLabelsThatDiffer:
      differing(calls.branchy, answers.branchy, timed) +
      differing(calls.baseline ?? [], answers.baseline ?? [], timed),
    paper: paperRowsOf(manifest.id) ?? null,
  };
}

/** The row of the baseline; `null` where the bundle has none. */
export function baselineFigures({
  bundle,
  answers,
  calls,
  labels,
  approximate,
}: Measured): BaselineFigures | null {
  const { baseline } = bundle.manifest;
  if (baseline === undefined || answers.baseline === undefined || calls.baseline === undefined) return null;
  return {
    ...accuracyFigures(answers.baseline, labels, approximate),
    ms: timeFigures(calls.baseline, [1], exitTimes(calls.baseline)),
    macs: baseline.macs,
    parameters: baseline.parameters,
  };
}

function branchyFigures({ bundle, answers, calls, labels, approximate }: Measured): BranchyFigures {
  const { exits, segments } = bundle.manifest;
  const figures = exits.map((_, exit) =>
    exitFigures(exit, bundle.manifest, answers.branchy, calls.branchy, labels),
  );
  const shares = figures.map(({ share }) => share);
  const ms = timeFigures(calls.branchy, shares, exitTimes(calls.everyExit));
  return {
    ...accuracyFigures(answers.branchy, labels, approximate),
    ms,
    gain: calls.baseline === undefined ? null : gainFigures(calls.baseline, calls.branchy, ms),
    thresholds: exits.flatMap(({ threshold }) => threshold ?? []),
    exits: figures,
    meanMacs: weighted(shares, costsOfExits(segments)),
    parameters: segments.reduce((sum, { parameters }) => sum + parameters, 0),
  };
}

function exitFigures(
  exit: number,
  { exits }: Manifest,
  answers: readonly RowAnswer[],
  calls: readonly TimedCall[],
  labels: Uint8Array,
): ExitFigures {
  const here = answers.flatMap((answer, image) =>
    answer.exit === exit ? [answer.label === labels[image]] : [],
  );
  const times = calls.filter(({ answer }) => answer.exit === exit).map(msOf);
  return {
    name: exits[exit]?.name ?? String(exit),
    share: here.length / answers.length,
    accuracy: here.length === 0 ? null : here.filter((right) => right).length / here.length,
    meanMs: times.length === 0 ? null : mean(times),
  };
}

function accuracyFigures(
  answers: readonly RowAnswer[],
  labels: Uint8Array,
  approximate: ReadonlySet<number> | undefined,
): AccuracyFigures {
  const right = answers.map(({ label }, image) => label === labels[image]);
  if (approximate === undefined) return { accuracy: shareOf(right) };
  const exact = right.filter((_, image) => !approximate.has(image));
  return { accuracy: shareOf(right), exact: { images: exact.length, accuracy: shareOf(exact) } };
}

function shareOf(right: readonly boolean[]): number {
  return right.filter((one) => one).length / right.length;
}

function differing(
  calls: readonly TimedCall[],
  answers: readonly RowAnswer[],
  timed: readonly number[],
): number {
  return calls.filter(({ answer }, place) => answer.label !== answers[timed[place] ?? -1]?.label).length;
}
