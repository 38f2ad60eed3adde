import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ReportedRun, type ReportSource, renderReport } from '../../../scripts/simulate/report/index.ts';
import { grown, madeRun, madeSource, plain, policies, wordsOf } from './report-source.ts';

function chart(source: ReportSource, id: string): string {
  const document = renderReport(source);
  const from = document.indexOf(`id="${id}"`);
  return from === -1 ? '' : document.slice(from, document.indexOf('</svg>', from));
}

/** Paths of lines that are drawn in a chart; one for each policy. */
function linesOf(svg: string): string[] {
  return [...svg.matchAll(/<path class="line (\w+)"/g)].map(([, tone = '']) => tone);
}

const Summaries = suite('what a report says in short');

const inShort = (source: ReportSource) =>
  wordsOf(source).match(/In short(.*?)(?:How to read|95th percentile by|Latency: )/)?.[1] ?? '';

Summaries(
  'names the policy of the least mean among those within half a point of the best, and what it saves',
  () => {
    const source = madeSource([
      madeRun({ policy: 'whole', meanMs: 100, right: 0.93 }),
      madeRun({ policy: 'half a point', meanMs: 50, right: 0.925 }),
      madeRun({ policy: 'hasty', meanMs: 10, right: 0.8 }),
      madeRun({ policy: 'slow', meanMs: 200, right: 0.93 }),
    ]);
    const words = inShort(source);
    assert.match(
      words,
      /half a point has the least mean latency, of those within half a point of the best accuracy: 50\.0 \(49\.1–50\.9\) ms, 92\.5 % right/,
    );
    assert.match(words, 'It saves 50 % against whole and 75 % against slow .');
    assert.match(
      words,
      /hasty is faster, 10\.0 ms, but right 12\.5 points less often\.(?! That may be chance)/,
    );
    assert.match(renderReport(source), /<td class="best"><strong>50\.0<\/strong>/);
    assert.match(renderReport(source), /<td>10\.0<span title="right less often">†<\/span>/);
  },
);

Summaries('says when so few images do not settle which policy is right more often', () => {
  const words = inShort(
    madeSource([
      madeRun({ policy: 'whole', meanMs: 100, right: 0.94, images: 100 }),
      madeRun({ policy: 'split', meanMs: 10, right: 0.93, images: 100 }),
    ]),
  );
  assert.match(words, 'whole has the least mean latency, of those within half a point');
  assert.match(
    words,
    'split is faster, 10.0 ms, but right 1.0 points less often. That may be chance: 100 images',
  );
});

Summaries('says which others are as fast as far as the images tell', () => {
  const words = inShort(
    madeSource([
      madeRun({ policy: 'one', meanMs: 40, right: 0.93 }),
      madeRun({ policy: 'other', meanMs: 40.2, right: 0.93 }),
    ]),
  );
  assert.match(words, 'one has the least mean latency: 40.0');
  assert.match(words, 'As fast, as far as these images tell: other');
});

Summaries('never names a policy that only hindsight can follow, and says what it would have been', () => {
  const words = inShort(
    madeSource(
      [
        madeRun({ policy: 'split', meanMs: 40, right: 0.93 }),
        madeRun({ policy: 'oracle', meanMs: 20, right: 0.95 }),
      ],
      { policies: [...policies('split'), { name: 'oracle', best: 'moment' }] },
    ),
  );
  assert.match(words, 'split has the least mean latency: 40.0');
  assert.match(words, 'as only hindsight knows it: 20.0 ms');
});

Summaries('puts fleets with the same policy together, and says where another takes over', () => {
  const fleet = (devices: number, split: number, picture: number) => [
    madeRun({ policy: 'split', devices, meanMs: split, right: 0.93 }),
    madeRun({ policy: 'picture', devices, meanMs: picture, right: 0.93 }),
  ];
  const words = inShort(
    madeSource([...fleet(300, 40, 400), ...fleet(10, 40, 20), ...fleet(100, 40, 30)], {
      devices: [300, 10, 100],
    }),
  );
  assert.match(
    words,
    'picture has the least mean latency from 10 to 100 devices: 20.0 ms with 10 devices, 30.0 ms with 100',
  );
  assert.match(words, 'split has the least mean latency with 300 devices: 40.0');
  assert.match(words, 'It saves 90 % against picture');
});

Summaries('says what a small mean may hide', () => {
  const words = inShort(madeSource([madeRun({ policy: 'split', meanMs: 40, right: 0.93, degraded: 0.25 })]));
  assert.match(words, '93.0 % right, but 25.0 % degraded.');
});

Summaries('keeps bundles apart, each with a table of its own', () => {
  const bundles = ['small', 'large'];
  const source = madeSource(
    bundles.flatMap((bundle, at) => [
      madeRun({ bundle, policy: 'split', meanMs: at === 0 ? 40 : 90, right: 0.93 }),
      madeRun({ bundle, policy: 'picture', meanMs: 80, right: 0.93 }),
    ]),
  );
  const words = inShort(source);
  assert.match(words, /small, lte split has the least/);
  assert.match(words, /large, lte picture has the least/);
  assert.is(renderReport(source).match(/<section class="link"/g)?.length, 2);
});

Summaries.run();

const Charts = suite('charts of reports');

const many = (count: number): ReportedRun[] =>
  Array.from({ length: count }, (_, at) => madeRun({ policy: `p${at}`, meanMs: 100 - at, right: 0.93 }));

Charts('have a latency distribution of every policy', () => {
  assert.is(linesOf(chart(plain, 'link-1-fleet-1-latency')).length, 2);
});

Charts('keep the colours of eight policies and grey the others, but draw all', () => {
  const source = madeSource(many(12), { policies: policies(...many(12).map(({ policy }) => policy)) });
  const svg = chart(source, 'link-1-fleet-1-latency');
  const lines = linesOf(svg);
  assert.is(lines.length, 12);
  assert.is(lines.filter((tone) => tone === 'grey').length, 4);
  assert.match(svg, '>other policies</text>');
  assert.not.match(svg, '>p0</text>');
  assert.match(svg, '>p11</text>');
});

Charts('mark the Pareto front', () => {
  const source = madeSource([
    madeRun({ policy: 'fast', meanMs: 20, right: 0.8 }),
    madeRun({ policy: 'beaten', meanMs: 60, right: 0.79 }),
    madeRun({ policy: 'right', meanMs: 90, right: 0.95 }),
  ]);
  const svg = chart(source, 'link-1-fleet-1-accuracy');
  assert.match(svg, 'On the Pareto front, which no policy beats in both: fast, right.');
  assert.is(svg.match(/<circle class="open grey"[^>]* r="11"/g)?.length, 2);
});

Charts('show the 95th percentile over the number of devices only where there are several', () => {
  assert.is(linesOf(chart(grown, 'link-1-growth')).length, 2);
  assert.is(chart(plain, 'link-1-growth'), '');
});

Charts('stack the routes of a policy that takes several, and name one that takes one', () => {
  const svg = chart(plain, 'link-1-fleet-1-routes-1');
  const stack = [...svg.matchAll(/<path class="area (\w+)" d="M([^"]*)Z"/g)].map(([, tone, path = '']) => {
    return { tone, heights: path.split('L').map((place) => Number(place.split(' ')[1])) };
  });
  assert.equal(
    stack.map(({ tone }) => tone),
    ['green', 'blue'],
  );
  const [below, above] = stack;
  // The floor of the plot is the lowest edge of the first, the largest number.
  const edge = [...new Set(below?.heights)].sort((one, other) => one - other).slice(0, -1);
  const missing = edge.filter((height) => !above?.heights.includes(height));
  assert.ok(edge.length > 0);
  assert.equal(missing, [], 'one lies on the other');
  assert.is(chart(plain, 'link-1-fleet-1-routes-2'), '');
  assert.match(wordsOf(plain), /All by image : picture/);
});

Charts('show the budget where answers come near it', () => {
  const source = madeSource([madeRun({ policy: 'split', meanMs: 400, right: 0.9 })]);
  assert.match(chart(source, 'link-1-fleet-1-latency'), '>budget</text>');
  assert.not.match(chart(plain, 'link-1-fleet-1-latency'), '>budget</text>');
});

Charts.run();
