/** `offramp results`: the page that is made of measured files, and the one that is published. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Documents, documentFiles, readDocuments, resultsPage } from '../../scripts/results/index.ts';
import { bestFixed, gridOf } from '../../scripts/results/links.ts';
import type { RunResult } from '../../scripts/simulate/index.ts';
import { throwsCode } from '../protocol/expect.ts';

const published = fileURLToPath(new URL('../../docs/results', import.meta.url));

function run(link: string, policy: string, meanMs: number, change: Partial<RunResult> = {}): RunResult {
  const estimated = (ms: number) => ({ ms, interval: [ms, ms] as const });
  const latencyMs = {
    ...{ mean: estimated(meanMs), p50: estimated(meanMs), p95: estimated(2 * meanMs) },
    ...{ p99: estimated(3 * meanMs), max: 4 * meanMs },
  };
  return {
    ...{ bundle: 'b', link, policy, devices: 1, images: 100, refused: 0, latencyMs },
    accuracy: { share: 0.9, interval: [0.8, 1] },
    missed: { share: 0, interval: [0, 0.1] },
    routes: { exit: 0.5, features: 0.5, image: 0, edgeOnly: 0 },
    degraded: { share: 0, reasons: {} },
    ...{ lateShare: 0, bytesPerImage: 100, bytesPerSecond: 200, plans: {} },
    cdfMs: [meanMs / 2, meanMs, 2 * meanMs],
    ...{ overTime: [], cloudSecondsPer1000Images: 1 },
    ...change,
  };
}

const record = {
  command: 'offramp something',
  date: '2026-01-02',
  machine: { cpu: 'one', processors: 2, platform: 'linux', node: '20', onnxruntime: '1', offramp: '0' },
};
const scenario = {
  ...{ name: 'made', bundle: 'b', seconds: 10, budgetMs: 100, links: ['near'] },
  arrivals: { kind: 'poisson' as const, imagesPerSecond: 2 },
  policies: [{ name: 'ours', objective: 'latency' as const }],
};

const Best = suite('the best that never changes');

Best('is the fastest among those about as right, and neither ours nor what only hindsight knows', () => {
  const grid = gridOf([
    run('near', 'ours', 1),
    run('near', 'quick and wrong', 2, { accuracy: { share: 0.8, interval: [0.75, 0.85] } }),
    run('near', 'cloud', 5),
    run('near', 'split', 4),
    run('near', 'best each moment', 0.5),
    run('far', 'cloud', 3),
  ]);
  assert.is(bestFixed(grid, 'near', 'ours')?.policy, 'split');
  assert.is(bestFixed(grid, 'far', 'ours')?.policy, 'cloud');
});

Best.run();

const Page = suite('the page of results');

Page('has what was measured, names its command, day and machine, and leaves out what was not', () => {
  const links = {
    ...record,
    scenario,
    results: [run('near', 'ours', 11), run('near', 'cloud only, picture', 10)],
  };
  const { markdown, charts } = resultsPage({ links });
  assert.match(markdown, '| ours | 11.0, 22.0 |');
  assert.match(markdown, '+10.0 %');
  assert.match(markdown, '`offramp something`, 2026-01-02, one, 2 processors, Node 20');
  assert.not.match(markdown, 'Table I');
  assert.equal(
    charts.map(({ name }) => name),
    ['six-links-near.svg'],
  );
  assert.match(charts[0]?.svg ?? '', '<svg');
});

Page('counts how many simulations were close, and shows them beside the real runs', () => {
  const live = {
    ...run('near', 'ours', 10),
    sendLateMs: { p50: 0, p99: 0, max: 0 },
    stagesMs: { call: 0, prepare: 0, device: 0, exit: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 },
  };
  const routePoints = { exit: 0.5, features: -0.5, image: 0, edgeOnly: 0 };
  const comparison = {
    ...{ policy: 'ours', link: 'near', devices: 1 },
    meanError: 0.02,
    p50Error: -0.03,
    p95Error: 0.08,
    routePoints,
    degradedPoints: 0,
  };
  const againstLive = {
    ...{ ...record, scenario, emulator: 'packet', congestion: 'cubic', images: 'some', results: [live] },
    simulated: [run('near', 'ours', 9.8)],
    comparisons: [{ ...comparison, isClose: true }],
  };
  const { markdown, charts } = resultsPage({ againstLive });
  assert.match(markdown, '| near, ours | 10.0, 20.0 | +2.0 % | -3.0 % | +8.0 % | 0.5 | yes |');
  assert.match(markdown, '1 of 1');
  assert.match(markdown, 'TCP cubic');
  assert.is(charts.length, 1);
});

Page('has how soon the page in a browser answers', () => {
  const times = (p50: number) => ({ p50, p95: 2 * p50, p99: 3 * p50 });
  const visits = (answer: number) => ({ readyMs: times(answer / 2), answerMs: times(answer) });
  const web = {
    ...record,
    bundle: 'b',
    browser: 'Chromium 1',
    visits: 10,
    cold: visits(900),
    warm: visits(300),
  };
  const { markdown } = resultsPage({ web });
  assert.match(markdown, '| kept by an earlier visit | 150, 300 | 300, 600 |');
  assert.match(markdown, '| nothing cached | 450, 900 | 900, 1800 |');
});

Page('a name with a bar does not break its table', () => {
  const links = { ...record, scenario, results: [run('near|far', 'ours', 11)] };
  assert.match(resultsPage({ links }).markdown, 'near\\|far');
});

Page('that is published is made of the files beside it', () => {
  const documents = readDocuments(published);
  assert.ok(Object.keys(documents).length > 0, 'nothing is published');
  const { markdown, charts } = resultsPage(documents);
  assert.is(readFileSync(join(published, 'README.md'), 'utf8'), markdown, 'run npx offramp results');
  for (const { name, svg } of charts) assert.is(readFileSync(join(published, name), 'utf8'), svg, name);
});

Page('a file that is none of ours is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'offramp-results-'));
  try {
    assert.equal(readDocuments(folder), {} satisfies Documents);
    for (const text of ['', '[]', '{}', '{"results": 3}']) {
      writeFileSync(join(folder, documentFiles.links), text);
      throwsCode(() => readDocuments(folder), 'DATA_CORRUPT');
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

Page.run();
