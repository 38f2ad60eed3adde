import type { Answer, Route } from '../../edge/agent/index.ts';
import type { Manifest } from '../../shared/bundle/index.ts';
import { mean, type Quantiles, quantile, quantiles } from '../quantiles.ts';

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

/** The figures of one evaluation; shares and accuracies are fractions of 1. */
export interface Evaluation {
  readonly bundle: string;
  readonly version: string;
  readonly digest: string;
  readonly dataset: string;
  readonly split: string;
  readonly images: number;
  readonly cut: number;
  readonly budgetMs: number;
  readonly accuracy: number;
  readonly exits: readonly ExitSummary[];
  /** The last exit alone, for every image. */
  readonly whole: { readonly accuracy: number };
  readonly offload: { readonly images: number; readonly bytesMean: number; readonly bytesP95: number };
  /** Images whose label differs from the one the whole network in one piece gives under the same exit rule. */
  readonly placementMismatches: number;
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
  readonly budgetMs: number;
}

/** Adds outcomes up to the figures of an evaluation. */
export function summarise(outcomes: readonly Outcome[], subject: EvaluationSubject): Evaluation {
  const { manifest, digest, dataset, split, cut, budgetMs } = subject;
  const answered = outcomes.flatMap(({ answer, truth, whole }) =>
    answer === undefined
      ? []
      : [{ answer, right: answer.label === truth, moved: answer.label !== whole.label }],
  );
  const offloaded = answered.filter(({ answer }) => answer.route === 'features' || answer.route === 'image');
  const bytes = offloaded.map(({ answer }) => answer.bytesSent).sort((a, b) => a - b);
  const routes = [...new Set(answered.map(({ answer }) => answer.route))];
  const byRoute = <T>(figure: (answers: readonly Answer[]) => T) =>
    Object.fromEntries(
      routes.map((route) => [
        route,
        figure(answered.map(({ answer }) => answer).filter((a) => a.route === route)),
      ]),
    );
  return {
    bundle: manifest.id,
    version: manifest.version,
    digest,
    dataset,
    split,
    images: outcomes.length,
    cut,
    budgetMs,
    accuracy: answered.filter(({ right }) => right).length / outcomes.length,
    exits: manifest.exits.map(({ name }, index) => {
      const here = answered.filter(({ answer }) => answer.exit === name);
      return {
        name,
        side: index < cut ? 'device' : 'cloud',
        share: here.length / outcomes.length,
        accuracy: here.filter(({ right }) => right).length / here.length,
      };
    }),
    whole: {
      accuracy: outcomes.filter(({ whole, truth }) => whole.finalLabel === truth).length / outcomes.length,
    },
    offload: { images: bytes.length, bytesMean: mean(bytes), bytesP95: quantile(bytes, 0.95) },
    placementMismatches: answered.filter(({ moved }) => moved).length,
    degraded: answered.filter(({ answer }) => answer.degraded).length,
    lost: outcomes.length - answered.length,
    latencyMs: byRoute((answers) => quantiles(answers.map(({ latencyMs }) => latencyMs))),
    stagesMs: byRoute(meanStages),
  };
}

function meanStages(answers: readonly Answer[]): Record<string, number> {
  const names = Object.keys(answers[0]?.stagesMs ?? {}) as (keyof Answer['stagesMs'])[];
  return Object.fromEntries(names.map((name) => [name, mean(answers.map(({ stagesMs }) => stagesMs[name]))]));
}
