import type { Answer, Route } from '../../edge/agent/index.ts';
import type { Manifest } from '../../shared/bundle/index.ts';
import { mean, type Quantiles, quantile, quantiles } from '../quantiles.ts';
import type { SentPicture } from './sent-pictures.ts';

/** What became of one image: its answer, or `undefined` where it got none. */
export interface Outcome {
  readonly answer: Answer | undefined;
  /** The true class. */
  readonly truth: number;
  /** Label and last-exit label of the whole network in one piece, with the same exit rule. */
  readonly whole: { readonly label: number; readonly finalLabel: number };
}

export interface ExitSummary {
  readonly name: string;
  readonly side: 'device' | 'cloud';
  readonly share: number;
  readonly accuracy: number;
}

/** Multiply-accumulate operations per image, heads, encoders and decoders included, as the manifest counts them. */
export interface MacsSummary {
  /** Of all segments before the cut: what the device runs for an image that none of its branches lets go. */
  readonly device: number;
  /** Mean of what the device ran. */
  readonly meanDevice: number;
  /** Mean of what ran in all, on the device and in the cloud, up to the exit that answered. */
  readonly mean: number;
}

export interface OffloadSummary {
  /** Images that the cloud answered. */
  readonly images: number;
  /** Of these images: codec stream, frame header and WebSocket frame. */
  readonly bytesMean: number;
  readonly bytesP95: number;
  /** All bytes sent, those in vain too, over all images. */
  readonly bytesPerImage: number;
}

/** The figures of one evaluation; shares and accuracies are fractions of 1. */
export interface Evaluation {
  readonly bundle: string;
  readonly version: string;
  readonly digest: string;
  readonly dataset: string;
  readonly split: string;
  readonly images: number;
  readonly cut: number;
  /** Channels of the codes that are sent; absent where no codes cross the cut. */
  readonly channels?: number;
  readonly budgetMs: number;
  readonly accuracy: number;
  /** Without the images whose pixels only come close to the published ones; absent where the data folder lists none. */
  readonly exact?: { readonly images: number; readonly accuracy: number };
  /** How many those are. */
  readonly approximateImages?: number;
  /** Share of images that left on the device, sure of their answer or with all segments run; a degraded one did not. */
  readonly deviceShare: number;
  readonly macs: MacsSummary;
  readonly exits: readonly ExitSummary[];
  /** The last exit alone, for every image. */
  readonly whole: { readonly accuracy: number };
  readonly offload: OffloadSummary;
  /**
   * At full rate: images whose label differs from the one the whole network in one piece gives under the same exit rule. That
   * network knows no other rate.
   */
  readonly placementMismatches?: number;
  /** At a lower rate: images whose label differs from the one that they get at full rate. The price of the rate, no fault. */
  readonly fullRateDifferences?: number;
  /** How images were compressed that were sent; absent where they were not, or went as raw pixels. */
  readonly picture?: SentPicture;
  /** Compressed with loss: images whose label differs from the one that their own pixels get. The price of that, no fault. */
  readonly pictureDifferences?: number;
  readonly degraded: number;
  readonly lost: number;
  readonly latencyMs: Partial<Record<Route, Quantiles>>;
  readonly stagesMs: Partial<Record<Route, Record<string, number>>>;
}

export interface EvaluationSubject {
  readonly manifest: Manifest;
  readonly digest: string;
  readonly dataset: string;
  readonly split: string;
  readonly cut: number;
  /** Channels of the codes that were sent; all when absent. */
  readonly channels?: number | undefined;
  /** How images were compressed that were sent; raw pixels when absent. */
  readonly picture?: SentPicture | undefined;
  readonly budgetMs: number;
  /** Places among the outcomes of the images whose pixels only come close to the published ones. */
  readonly approximate?: ReadonlySet<number> | undefined;
}

/** Adds outcomes up to the figures of an evaluation. */
export function summarise(outcomes: readonly Outcome[], subject: EvaluationSubject): Evaluation {
  const { manifest, digest, dataset, split, cut, budgetMs, approximate } = subject;
  const answers = outcomes.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
  const images = outcomes.length;
  return {
    bundle: manifest.id,
    version: manifest.version,
    digest,
    dataset,
    split,
    images,
    cut,
    ...differences(outcomes, subject),
    budgetMs,
    accuracy: accuracyOf(outcomes),
    ...(approximate && exactFigures(outcomes, approximate)),
    deviceShare: answers.filter(leftOnDevice).length / images,
    macs: countMacs(answers, manifest, cut),
    exits: exitFigures(outcomes, manifest, cut),
    whole: { accuracy: outcomes.filter(({ whole, truth }) => whole.finalLabel === truth).length / images },
    offload: offloadFigures(answers, images),
    degraded: answers.filter(({ degraded }) => degraded).length,
    lost: images - answers.length,
    latencyMs: byRoute(answers, (some) => quantiles(some.map(({ latencyMs }) => latencyMs))),
    stagesMs: byRoute(answers, meanStages),
  };
}

/** Share of right answers; an image without one counts as wrong. */
function accuracyOf(outcomes: readonly Outcome[]): number {
  return outcomes.filter(({ answer, truth }) => answer?.label === truth).length / outcomes.length;
}

function differences(
  outcomes: readonly Outcome[],
  { manifest, cut, channels, picture }: EvaluationSubject,
): Pick<
  Evaluation,
  'channels' | 'placementMismatches' | 'fullRateDifferences' | 'picture' | 'pictureDifferences'
> {
  const different = outcomes.filter(({ answer, whole }) => answer && answer.label !== whole.label).length;
  if (picture?.quality !== undefined) return { picture, pictureDifferences: different };
  if (picture !== undefined) return { picture, placementMismatches: different };
  const all = manifest.segments[cut - 1]?.codes?.shape[0];
  if (all === undefined) return { placementMismatches: different };
  if (channels === undefined || channels === all) return { channels: all, placementMismatches: different };
  return { channels, fullRateDifferences: different };
}

function exactFigures(
  outcomes: readonly Outcome[],
  approximate: ReadonlySet<number>,
): Pick<Evaluation, 'exact' | 'approximateImages'> {
  const exact = outcomes.filter((_, place) => !approximate.has(place));
  return {
    exact: { images: exact.length, accuracy: accuracyOf(exact) },
    approximateImages: outcomes.length - exact.length,
  };
}

function leftOnDevice(answer: Answer): boolean {
  return !answer.degraded && !fromCloud(answer);
}

function fromCloud({ route }: Answer): boolean {
  return route === 'features' || route === 'image';
}

/** An exit answers once its segment and all before it have run. */
function countMacs(answers: readonly Answer[], { exits, segments }: Manifest, cut: number): MacsSummary {
  const before = (segment: number) => segments.slice(0, segment).reduce((sum, { macs }) => sum + macs, 0);
  const untilExit = (answer: Answer) => before(exits.findIndex(({ name }) => name === answer.exit) + 1);
  return {
    device: before(cut),
    meanDevice: mean(answers.map((answer) => (fromCloud(answer) ? before(cut) : untilExit(answer)))),
    mean: mean(answers.map(untilExit)),
  };
}

function exitFigures(outcomes: readonly Outcome[], { exits }: Manifest, cut: number): ExitSummary[] {
  return exits.map(({ name }, index) => {
    const here = outcomes.filter(({ answer }) => answer?.exit === name);
    return {
      name,
      side: index < cut ? 'device' : 'cloud',
      share: here.length / outcomes.length,
      accuracy: accuracyOf(here),
    };
  });
}

function offloadFigures(answers: readonly Answer[], images: number): OffloadSummary {
  const bytes = answers.filter(fromCloud).map(({ bytesSent }) => bytesSent);
  return {
    images: bytes.length,
    bytesMean: mean(bytes),
    bytesP95: quantile(
      bytes.toSorted((a, b) => a - b),
      0.95,
    ),
    bytesPerImage: answers.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / images,
  };
}

function byRoute<T>(
  answers: readonly Answer[],
  figure: (answers: readonly Answer[]) => T,
): Partial<Record<Route, T>> {
  const routes = [...new Set(answers.map(({ route }) => route))];
  return Object.fromEntries(
    routes.map((route) => [route, figure(answers.filter((answer) => answer.route === route))]),
  );
}

function meanStages(answers: readonly Answer[]): Record<string, number> {
  const names = Object.keys(answers[0]?.stagesMs ?? {}) as (keyof Answer['stagesMs'])[];
  return Object.fromEntries(names.map((name) => [name, mean(answers.map(({ stagesMs }) => stagesMs[name]))]));
}
