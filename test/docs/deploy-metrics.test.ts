/** Every metric and label in the dashboard, the alerts and the autoscaler's rule is one that real servers give. */
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inLanes, offloadingBundle, postRaw, samples, temporaryFolder } from '../e2e/images.ts';
import { cleanUp, connected, metric, metrics, type Server, startServer, waitUntil } from '../e2e/support.ts';
import { dashboard, expressions } from './deploy-expressions.ts';
import { readPage } from './page.ts';
import { namedIn } from './promql.ts';

/** What Prometheus itself gives, and the labels that it or the scrape jobs put to everything. */
const ofPrometheus = ['up'];
const labelsOfScrapes = ['job', 'instance', 'namespace', 'pod'];

/** Labels by metric, of all samples of a server. */
async function scrape(server: Server): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const sample of (await metrics(server.url)).keys()) {
    const [, name = '', braces = ''] = /^([\w:]+)(?:\{(.*)\})?$/.exec(sample) ?? [];
    const labels = found.get(name) ?? new Set();
    for (const [, label = ''] of braces.matchAll(/(\w+)="/g)) labels.add(label);
    found.set(name, labels);
  }
  return found;
}

/** An upgrade without a subprotocol, which a server refuses. */
function refusedUpgrade(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    get(url, { headers }, (response) => {
      response.resume();
      response.once('end', resolve);
    }).once('error', reject);
  });
}

/** Real servers, after something of everything has happened to them: a metric with labels has no samples before. */
async function exposed(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const bundle = offloadingBundle();
  const tokens = join(temporaryFolder(), 'tokens.txt');
  writeFileSync(tokens, 'a-token-of-the-metrics-test\n');
  const cloud = await startServer('cloud', ['--bundle', bundle, '--token-file', tokens]);
  const edge = await startServer('edge', [
    ...['--bundle', bundle, '--cloud', cloud.wsUrl, '--cloud-token-file', tokens, '--budget-ms', '20000'],
  ]);
  await waitUntil(() => connected(edge), 'the edge to connect');
  const images = samples(4);
  await inLanes(2, images.count, async (index) => {
    assert.is((await postRaw(edge, images.image(index))).status, 200);
  });
  assert.is((await postRaw(edge, new Uint8Array(3))).status, 400);
  await refusedUpgrade(cloud.url);
  cloud.child.kill('SIGHUP');
  await waitUntil(
    async () => (await metric(cloud.url, 'offramp_cloud_reloads_total{what="tokens",outcome="done"}')) > 0,
    'the tokens to be read anew',
  );
  return new Map([...(await scrape(cloud)), ...(await scrape(edge))]);
}

const Metrics = suite('docs/deploy, metrics');
Metrics.after(cleanUp);
const found = exposed();

Metrics('all are real, and so are their labels', async () => {
  const real = await found;
  const problems: string[] = [];
  for (const { place, text } of expressions()) {
    for (const problem of problemsOf(text, real)) problems.push(`${place}: ${problem}`);
  }
  assert.equal(problems, []);
});

/** What an expression names that no server has. */
function problemsOf(text: string, real: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const { selectors, groupedBy } = namedIn(text);
  if (selectors.length === 0) return [`no metric found in ${text}`];
  const ownOf = (name: string) =>
    real.get(name) ?? (ofPrometheus.includes(name) ? new Set<string>() : undefined);
  const known = new Set([
    ...labelsOfScrapes,
    'le',
    ...selectors.flatMap(({ metric: name }) => [...(ownOf(name) ?? [])]),
  ]);
  const unknown = selectors.flatMap(({ metric: name, labels }) => {
    const own = ownOf(name);
    if (own === undefined) return [`no server has ${name}`];
    return labels
      .filter((label) => !own.has(label) && !labelsOfScrapes.includes(label))
      .map((label) => `${name} has no label ${label}`);
  });
  const ungrouped = groupedBy
    .filter((label) => !known.has(label))
    .map((label) => `nothing has a label ${label}`);
  return [...unknown, ...ungrouped];
}

Metrics('all that deploying.md and the variables of the dashboard name are real', async () => {
  const real = await found;
  const queries = dashboard.templating.list.map(({ query }) =>
    typeof query === 'string' ? query : query.query,
  );
  const named = [readPage('deploying.md'), ...queries].flatMap(
    (text) => text.match(/\bofframp_(?:cloud|edge)_\w+/g) ?? [],
  );
  assert.ok(named.length > 2);
  assert.equal(
    named.filter((name) => !real.has(name)),
    [],
  );
});

Metrics('a name that nobody has, or a label, would be found', () => {
  assert.equal(
    namedIn(
      'sum by (a, b) (rate(m_total{c="}", d=~"x|y"}[5m] offset 1w)) / on (e) group_left n > bool time() and up == 0',
    ).selectors,
    [
      { metric: 'm_total', labels: ['c', 'd'] },
      { metric: 'group_left', labels: [] },
      { metric: 'n', labels: [] },
      { metric: 'up', labels: [] },
    ],
  );
  assert.equal(namedIn('sum by (a, b) (m) and on (c) count(n)').groupedBy, ['a', 'b', 'c']);
});

Metrics.run();

const Panels = suite('docs/deploy, dashboard');

Panels('panels have ids of their own, do not overlap, and name their series', () => {
  const { panels } = dashboard;
  assert.ok(panels.length > 15);
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const { title, gridPos, targets = [] } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    assert.is(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { legendFormat } of targets) assert.ok(legendFormat !== '', title);
  }
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  );
  assert.is(new Set(cells).size, cells.length, 'two panels share a place');
});

Panels('every variable in an expression is one of the dashboard', () => {
  const known = [...dashboard.templating.list.map(({ name }) => name), '__rate_interval'];
  const used = dashboard.panels.flatMap(({ targets = [] }) =>
    targets.flatMap(({ expr }) => expr.match(/\$\w+/g) ?? []),
  );
  assert.ok(used.length > 20);
  assert.equal(
    used.filter((name) => !known.includes(name.slice(1))),
    [],
  );
});

Panels.run();
