import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { html } from '../../../scripts/simulate/report/html.ts';
import { type ReportSource, renderReport } from '../../../scripts/simulate/report/index.ts';
import { type ReadMarkup, readMarkup } from './markup.ts';
import { grown, madeRun, madeSource, plain, policies, wordsOf } from './report-source.ts';

const live: ReportSource = {
  ...plain,
  results: plain.results.map((run) => ({
    ...run,
    sendLateMs: { p50: 0.1, p99: 3, max: 5 },
    stagesMs: {
      ...{ call: 1, prepare: 2, device: 3, exit: 4 },
      ...{ encode: 5, network: 6, cloudQueue: 7, cloudRun: 8.25 },
    },
  })),
  origin: {
    ...{ kind: 'live', emulator: 'packet', images: 'the test split', leftOut: ['best each moment'] },
    warnings: ['lte/split: images were sent late'],
    comparisons: [
      {
        ...{ policy: 'split', link: 'lte', devices: 1, meanError: 0.031, p50Error: -0.02, p95Error: 0 },
        routePoints: { exit: 1.5, features: -1.5, image: 0, edgeOnly: 0 },
        ...{ degradedPoints: 0, isClose: true },
      },
    ],
  },
};

const Pages = suite('reports');

for (const [what, source] of [
  ['of a simulation', plain],
  ['of several fleets', grown],
  ['of real processes', live],
  ['of no images', madeSource([madeRun({ policy: 'split', meanMs: 1, right: 1, images: 0 })])],
  ['of a single image', madeSource([madeRun({ policy: 'split', meanMs: 1, right: 1, images: 1 })])],
] as const) {
  Pages(`${what} are well formed, and no two elements have the same id`, () => {
    const { tags } = readMarkup(renderReport(source));
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    assert.equal(ids.length, new Set(ids).size);
    for (const { attributes } of tags) {
      const named = ['aria-labelledby', 'aria-describedby'].flatMap((name) => attributes.get(name) ?? []);
      const led = attributes.get('href')?.replace(/^#/, '') ?? [];
      for (const id of [...named, ...[led].flat()]) assert.ok(ids.includes(id), id);
    }
  });

  Pages(`${what} have charts with title and description, and tables with caption and scopes`, () => {
    const document = renderReport(source);
    for (const svg of document.match(/<svg [\s\S]*?<\/svg>/g) ?? []) {
      assert.match(svg, /<title id="[^"]+">[^<]+<\/title>\n<desc id="[^"]+">[^<]+<\/desc>/);
    }
    const tables = document.match(/<table[\s\S]*?<\/table>/g) ?? [];
    assert.ok(tables.length >= 3);
    for (const table of tables) assert.match(table, /<caption>(<span>)?[^<]+/);
    const heads = readMarkup(document).tags.filter(({ name }) => name === 'th');
    assert.ok(heads.length > 10);
    for (const { attributes } of heads) assert.match(attributes.get('scope') ?? '', /^(col|row)(group)?$/);
  });

  Pages(`${what} run nothing, and load nothing from anywhere`, () => {
    const document = renderReport(source);
    const { tags } = readMarkup(document);
    const names = new Set(tags.map(({ name }) => name));
    for (const name of [
      'script',
      'link',
      'img',
      'iframe',
      'object',
      'embed',
      'use',
      'image',
      'base',
      'form',
    ]) {
      assert.not.ok(names.has(name), name);
    }
    assert.not.match(
      document.replaceAll('xmlns="http://www.w3.org/2000/svg"', ''),
      /https?:|url\(|@import|src=/,
    );
    const csp = tags.find(({ attributes }) => attributes.get('http-equiv') === 'Content-Security-Policy');
    assert.is(csp?.attributes.get('content'), "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
  });
}

Pages('are the same text for the same source', () => {
  assert.is(renderReport(plain), renderReport(structuredClone(plain)));
});

Pages('say what was asked, of what, and where it ran', () => {
  const words = wordsOf({ ...plain, scenario: { ...plain.scenario, deviceSlowdown: 40, seed: 77 } });
  for (const expected of [
    ...['made', 'Two policies on a link.', 'b-lenet-mnist', '40 times as slow', '77', '500 ms'],
    ...['offramp simulate --scenario made', '2026-01-31', 'a processor, 2 processors'],
    '1,000 in each of 2 runs, 2,000 in all',
  ]) {
    assert.ok(words.includes(expected), expected);
  }
});

Pages('say whether figures are simulated or of real processes, with which emulator', () => {
  const simulated = wordsOf(plain);
  assert.match(simulated, 'Simulated, 1,000 images each');
  assert.not.match(simulated, /Live|emulator/);
  const real = wordsOf(live);
  assert.match(real, 'Live: real processes, with the packet emulator in place of the links');
  assert.match(real, 'Live, packet emulator, 1,000 images each');
  assert.match(real, 'lte/split: images were sent late');
  assert.match(real, 'best each moment');
  assert.not.match(real, /Simulated/);
});

Pages('have what only real processes tell: stages, and how far the simulation is off', () => {
  const document = renderReport(live);
  assert.match(document, '<td>8.25</td>');
  assert.match(document, '<td>+3.1</td><td>-2.0</td><td>0.0</td>'.replaceAll('</td><', '</td>\n<'));
  assert.not.match(renderReport(plain), 'Where the time went');
});

Pages('have all figures of a run with their intervals', () => {
  const [run] = plain.results;
  assert.ok(run !== undefined);
  const words = wordsOf(plain);
  for (const expected of [
    ...[
      '40.0 (39.3–40.7)',
      '93.0 (91.2–94.4)',
      '2.0 (1.3–3.1)',
      'BUDGET_SPENT 2.0',
      'split 100.0',
      '1.67',
      '0.50',
    ],
    'were the images independent of each other',
  ]) {
    assert.ok(words.includes(expected), expected);
  }
});

Pages.run();

const Names = suite('names in reports');

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        ...[
          '<script>',
          '</style>',
          '</svg>',
          '-->',
          '<!--',
          ']]>',
          '"',
          "'",
          ' onload="x"',
          '&',
          '&lt;',
          '&#x3c;',
        ],
        ...['</td></tr></table>', '</title>', '\u202e', '\u0000', '\ud800', '`', '<img src=x onerror=y>'],
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
);

/** As it is to be read: characters that would hide something are shown as one that does not. */
function shown(name: string): string {
  return name.replace(/(?![\n\t])\p{Cc}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu, '\ufffd');
}

function vocabulary({ tags }: ReadMarkup): Set<string> {
  return new Set(
    tags.flatMap(({ name, attributes }) => [name, ...[...attributes.keys()].map((key) => `${name} ${key}`)]),
  );
}

Names('cannot add an element or an attribute, and are all there to read', () => {
  const usual = new Set(
    [plain, grown].flatMap((source) => [...vocabulary(readMarkup(renderReport(source)))]),
  );
  // Where labels are far from their marks.
  for (const own of ['line class', 'text class']) usual.add(own);
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, (name, policy, link, plan) => {
      const other = `${policy}2`;
      const made = {
        link: `l${link}`,
        plan: `p${plan}`,
        bundle: `b${name}`,
        routes: ['exit', 'image'] as const,
      };
      const source = madeSource(
        [
          madeRun({ ...made, policy: `1${policy}`, meanMs: 30, right: 0.9, images: 40 }),
          madeRun({ ...made, policy: other, meanMs: 90, right: 0.9, images: 40 }),
        ],
        {
          ...{
            name: `n${name}`,
            about: `a${name}`,
            bundle: `b${name}`,
            policies: policies(`1${policy}`, other),
          },
          links: [{ name: `l${link}`, link: `up=${link}` }],
        },
      );
      const read = readMarkup(renderReport({ ...source, command: `offramp ${name}` }));
      for (const word of vocabulary(read)) assert.ok(usual.has(word), word);
      for (const one of [`n${name}`, `a${name}`, `1${policy}`, `l${link}`, `p${plan}`, `offramp ${name}`]) {
        assert.ok(read.text.includes(shown(one)), JSON.stringify(one));
      }
    }),
    { numRuns: 60 },
  );
});

Names('end no attribute that they are put into, with either kind of quotes', () => {
  const { text } = html`<p title="${`" x='`}">${[html`<b>${1}</b>`, html`${'<i>'}`]}</p>`;
  assert.is(text, '<p title="&quot; x=&#39;"><b>1</b>\n&lt;i&gt;</p>');
});

Names('cannot turn the reading direction of what follows them', () => {
  const words = wordsOf(madeSource([madeRun({ policy: 'a\u202eb', meanMs: 1, right: 1 })]));
  assert.match(words, 'a\ufffdb');
  assert.not.match(words, /\u202e/);
});

Names.run();
