import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ChartSpec, pageChartRules, renderChart, renderPageChart } from '../../../scripts/plot/index.ts';
import { palettes } from '../../../scripts/plot/style.ts';

const spec: ChartSpec = {
  id: 'rates',
  title: 'Accuracy & bytes <per image>',
  subtitle: 'ten "images"',
  description: 'The line rises from the left to the right.',
  x: { label: 'bytes per image', from: 0, to: 100 },
  y: { label: 'accuracy (%)', from: 0, to: 10 },
  series: [
    { kind: 'line', name: 'codes', tone: 'blue', points: [0, 50, 100].map((x) => ({ x, y: x / 10 })) },
    { kind: 'points', name: 'crowd', tone: 'grey', shape: 'speck', points: [{ x: 20, y: 8 }] },
    {
      kind: 'points',
      name: 'chosen',
      tone: 'red',
      shape: 'dot',
      points: [{ x: 50, y: 5, label: '4 channels', hint: '44 bytes' }],
    },
    { kind: 'guide', name: 'uncompressed', tone: 'orange', axis: 'y', at: 10 },
  ],
};

/** Every number of an attribute of the elements that have a class. */
function numbers(svg: string, className: string, attribute: string): number[] {
  const elements = [...svg.matchAll(/<\w+ [^>]*>/g)].map(([text]) => text);
  return elements
    .filter((text) => new RegExp(` class="${className}"`).test(text))
    .map((text) => Number(text.match(new RegExp(` ${attribute}="([^"]*)"`))?.[1]));
}

const Chart = suite('chart');

Chart('is a document that a renderer of its own reads, of the size asked for', async () => {
  const svg = renderChart({ ...spec, width: 640, height: 400 });
  const { width, height, format } = await sharp(Buffer.from(svg)).metadata();
  assert.equal([format, width, height], ['svg', 640, 400]);
  const { channels } = await sharp(Buffer.from(svg)).stats();
  assert.ok(
    channels.slice(0, 3).every(({ min, max }) => max - min > 200),
    'something is drawn',
  );
});

Chart('says what it shows to a screen reader', () => {
  const svg = renderChart(spec);
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" id="rates" /);
  assert.match(svg, / role="img" aria-labelledby="rates-title" aria-describedby="rates-description">/);
  assert.match(svg, '<title id="rates-title">Accuracy &amp; bytes &lt;per image&gt;</title>');
  assert.match(svg, '<desc id="rates-description">The line rises from the left to the right.</desc>');
});

Chart('has heading, axes with their units, a legend of what has a name, labels and hints', () => {
  const svg = renderChart(spec);
  const words = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  for (const expected of [
    'Accuracy &amp; bytes &lt;per image&gt;',
    'ten &quot;images&quot;',
    'bytes per image',
    'accuracy (%)',
    'codes',
    'crowd',
    'chosen',
    'uncompressed',
    '4 channels',
  ]) {
    assert.ok(words.includes(expected), expected);
  }
  assert.match(svg, '<title>44 bytes</title>');
});

Chart('puts a point where its values are on the axes', () => {
  const svg = renderChart(spec);
  const [left = 0, bottom = 0, right = 0, top = 0] = ['x1', 'y1', 'x2', 'y2'].map(
    (attribute) => numbers(svg, 'line orange', attribute).at(-1) ?? 0,
  );
  assert.is(top, bottom, 'the guide at the largest value runs along the upper end');
  const [floor = 0] = numbers(svg, 'axis', 'y1').slice(-2);
  assert.is(numbers(svg, 'filled red', 'cx').at(-1), (left + right) / 2);
  assert.is(numbers(svg, 'filled red', 'cy').at(-1), (top + floor) / 2);
  const [, path = ''] = svg.match(/<path class="line blue" d="([^"]*)"/) ?? [];
  assert.is(path, `M${left} ${floor}L${(left + right) / 2} ${(top + floor) / 2}L${right} ${top}`);
});

Chart('fills an area between its two edges, below a line that is drawn after it', () => {
  const svg = renderChart({
    ...spec,
    series: [
      {
        ...{ kind: 'area', name: 'share', tone: 'green' },
        reaches: [
          { x: 0, from: 0, to: 10 },
          { x: 100, from: 5, to: 10 },
        ],
      },
      { kind: 'line', tone: 'blue', points: [0, 100].map((x) => ({ x, y: x === 0 ? 10 : 5 })) },
    ],
  });
  const [, area = ''] = svg.match(/<path class="area green" d="M([^"]*)Z"/) ?? [];
  const [, line = ''] = svg.match(/<path class="line blue" d="M([^"]*)"/) ?? [];
  const [start, end] = line.split('L');
  const [leftUpper, rightUpper, rightLower, leftLower] = area.split('L');
  assert.is(leftUpper, start);
  assert.is(rightLower, end);
  assert.is(leftLower?.split(' ')[0], start?.split(' ')[0]);
  assert.is(rightUpper?.split(' ')[1], leftUpper?.split(' ')[1]);
  assert.ok(svg.indexOf('area green" d=') < svg.indexOf('line blue" d='));
  assert.match(svg, /<rect class="area green"[^>]* width="12" height="12"\/>/);
  assert.match(svg, '>share</text>');
});

Chart('counts both edges of an area among its values', () => {
  const reaches = [{ x: 1, from: Number.NaN, to: 1 }];
  const series = [{ kind: 'area', tone: 'green', reaches } as const];
  assert.throws(() => renderChart({ ...spec, series }), /got NaN on the y axis/);
});

Chart('shares the rules of a page with its other charts, and is otherwise the same', () => {
  const svg = renderPageChart(spec);
  const [, style = ''] = renderChart(spec).match(/(<style>[\s\S]*<\/style>\n)/) ?? [];
  assert.is(svg.replace(' class="chart"', ''), renderChart(spec).replace(style, ''));
  assert.is(`<style>\n${pageChartRules()}\n</style>\n`.replaceAll('.chart ', '#rates '), style);
});

Chart('is the same text for the same specification', () => {
  assert.is(renderChart(spec), renderChart(structuredClone(spec)));
});

Chart('holds no script, nothing from elsewhere and no rule that reaches beyond it', () => {
  const svg = renderChart(spec);
  assert.not.match(svg, /<script|javascript:|href=|url\(|@import/);
  const [, style = ''] = svg.match(/<style>\n([\s\S]*?)\n<\/style>/) ?? [];
  const selectors = [...style.matchAll(/^\s*([^{}\n]*?) \{/gm)].flatMap(([, list = '']) => list.split(', '));
  assert.ok(selectors.length > 20);
  assert.equal(
    selectors.filter((selector) => !/^#rates\b/.test(selector) && !selector.startsWith('@media')),
    [],
  );
});

Chart('keeps control characters out of the document', async () => {
  const svg = renderChart({ ...spec, title: 'a\u0000b\u001bc' });
  assert.match(svg, '>a b c</title>');
  assert.is((await sharp(Buffer.from(svg)).metadata()).format, 'svg');
});

Chart('keeps labels apart and within the plot', () => {
  const points = Array.from({ length: 6 }, (_, index) => ({ x: 50 + index, y: 5, label: `point ${index}` }));
  const svg = renderChart({ ...spec, series: [{ kind: 'points', tone: 'blue', shape: 'dot', points }] });
  const boxes = [...svg.matchAll(/<text class="label" x="([\d.]+)" y="([\d.]+)"/g)].map(([, x, y]) => {
    return { x: Number(x), y: Number(y) };
  });
  assert.is(boxes.length, 6);
  for (const [index, a] of boxes.entries()) {
    const near = boxes.slice(index + 1).filter((b) => Math.abs(a.x - b.x) < 40 && Math.abs(a.y - b.y) < 12);
    assert.equal(near, [], `label ${index}`);
    assert.ok(a.x > 0 && a.x < 760 && a.y > 0 && a.y < 480);
  }
});

Chart('refuses values that have no place, and an id that would break its style', () => {
  const withPoint = (x: number, scale: 'linear' | 'log' = 'linear'): ChartSpec => {
    const points = [{ x, y: 1 }];
    return { ...spec, x: { label: 'x', scale }, series: [{ kind: 'line', tone: 'blue', points }] };
  };
  assert.throws(() => renderChart(withPoint(Number.NaN)), /got NaN on the x axis, expected finite values/);
  assert.throws(
    () => renderChart(withPoint(0, 'log')),
    /got 0 on the x axis, expected finite values above 0/,
  );
  assert.throws(() => renderChart({ ...spec, series: [] }), /got no value on the x axis/);
  assert.throws(() => renderChart({ ...spec, id: 'a b' }), /got id 'a b'/);
});

Chart.run();

const Colours = suite('colours of charts');

/** Contrast ratio of WCAG 2.2. */
function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const linear = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const [red = 0, green = 0, blue = 0] = linear;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

for (const [mode, { paper, ink, faint, axis, tones }] of Object.entries(palettes)) {
  Colours(`${mode}: words stand out 4.5 to 1, axes and tones 3 to 1`, () => {
    for (const colour of [ink, faint]) assert.ok(contrast(colour, paper) >= 4.5, colour);
    for (const colour of [axis, ...Object.values(tones)]) assert.ok(contrast(colour, paper) >= 3, colour);
  });

  Colours(`${mode}: the colours are in the style of a chart`, () => {
    const svg = renderChart(spec);
    const [light = '', dark = ''] = svg.split('@media (prefers-color-scheme: dark)');
    const part = mode === 'dark' ? dark : light;
    for (const colour of [paper, ink, ...Object.values(tones)]) assert.ok(part.includes(colour), colour);
  });
}

Colours.run();
