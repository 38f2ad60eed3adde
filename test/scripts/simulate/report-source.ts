import { type Scenario, Tally } from '../../../scripts/simulate/index.ts';
import { type ReportedRun, type ReportSource, renderReport } from '../../../scripts/simulate/report/index.ts';
import { readMarkup } from './markup.ts';

type Route = 'exit' | 'features' | 'image' | 'edge-only';

/** What a policy did with the images of a made run. */
export interface MadeRun {
  readonly policy: string;
  readonly link?: string;
  readonly devices?: number;
  readonly bundle?: string;
  readonly meanMs: number;
  /** Share of right answers; a multiple of what one image is. */
  readonly right: number;
  readonly images?: number;
  readonly routes?: readonly Route[];
  readonly degraded?: number;
  readonly plan?: string;
}

const seconds = 60;

export const madeScenario: Scenario = {
  name: 'made',
  about: 'Two policies on a link.',
  bundle: 'b-lenet-mnist',
  arrivals: { kind: 'periodic', imagesPerSecond: 10 },
  seconds,
  budgetMs: 500,
  links: ['lte'],
  policies: [
    { name: 'split', cut: 1 },
    { name: 'picture', cut: 0 },
  ],
};

/** A result in figures that a tally took: latencies from half to one and a half of the mean, evenly. */
export function madeRun({
  policy,
  link = 'lte',
  devices = 1,
  bundle = 'b-lenet-mnist',
  meanMs,
  right,
  images = 1000,
  routes = ['features'],
  degraded = 0,
  plan = policy,
}: MadeRun): ReportedRun {
  const tally = new Tally({ fromMs: 0, untilMs: 1000 * seconds, budgetMs: 500 });
  for (let at = 0; at < images; at++) {
    tally.add({
      arrivedAtMs: (1000 * seconds * at) / images,
      latencyMs: images === 1 ? meanMs : meanMs * (0.5 + at / (images - 1)),
      route: routes[at % routes.length] ?? 'exit',
      isRight: at < right * images,
      degraded: at < degraded * images,
      reason: at < degraded * images ? 'BUDGET_SPENT' : undefined,
      ...{ bytesSent: 100, plan },
    });
  }
  return { ...tally.figures(), policy, link, devices, bundle, cloudSecondsPer1000Images: 0.5, batchRows: 1 };
}

export function madeSource(results: readonly ReportedRun[], scenario: Partial<Scenario> = {}): ReportSource {
  return {
    command: 'offramp simulate --scenario made',
    date: '2026-01-31',
    machine: {
      ...{ cpu: 'a processor', processors: 2, platform: 'linux 6 x64' },
      ...{ node: '20.19.0', onnxruntime: '1.30.0', offramp: '0.1.0' },
    },
    scenario: { ...madeScenario, ...scenario },
    results,
    origin: { kind: 'simulated' },
  };
}

/** Policies by their names. */
export const policies = (...names: readonly string[]): Scenario['policies'] =>
  names.map((name) => ({ name, cut: 1 }));

/** Two policies on a link: one of two routes, one of one. */
export const plain = madeSource([
  madeRun({ policy: 'split', meanMs: 40, right: 0.93, routes: ['exit', 'features'], degraded: 0.02 }),
  madeRun({ policy: 'picture', meanMs: 80, right: 0.932, routes: ['image'] }),
]);

/** Two policies with two fleets. */
export const grown = madeSource(
  [10, 100].flatMap((devices) => [
    madeRun({ policy: 'split', devices, meanMs: 40, right: 0.93 }),
    madeRun({ policy: 'picture', devices, meanMs: devices, right: 0.93 }),
  ]),
  { devices: [10, 100] },
);

/** Words as a reader has them, without line breaks. */
export function wordsOf(source: ReportSource): string {
  return readMarkup(renderReport(source)).text.replace(/\s+/g, ' ');
}
