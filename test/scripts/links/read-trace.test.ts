import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  meanBitsPerSecond,
  OneWay,
  parseTrace,
  readTraceFile,
  type TraceFormat,
} from '../../../scripts/links/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { dataFolder, skip } from '../../support/data.ts';

const csv: TraceFormat = { kind: 'csv', timeColumn: 'Timestamp', rateColumn: 'DL_bitrate' };

/** Expects an error that names file and line and says all of `words`. */
function refuses(content: string, words: readonly string[], format?: TraceFormat): void {
  try {
    parseTrace('the.trace', content, format);
  } catch (thrown) {
    assert.instance(thrown, OfframpError);
    if (!(thrown instanceof OfframpError)) return;
    assert.is(thrown.code, 'CONFIG_INVALID');
    for (const word of ['the.trace', ...words]) assert.ok(thrown.message.includes(word), thrown.message);
    return;
  }
  assert.unreachable(`took ${JSON.stringify(content)}`);
}

const Mahimahi = suite('a trace of opportunities');

Mahimahi('is one whole number a line, and as long as its last one', () => {
  const rate = parseTrace('a', '0\n0\n7\r\n20\n\n');
  assert.equal(rate, { kind: 'opportunities', atMs: Float64Array.of(0, 0, 7, 20), lengthMs: 20 });
  assert.is(meanBitsPerSecond(rate), (4 * 12_000) / 0.02);
});

Mahimahi('that is none is refused by line and value', () => {
  refuses('', ['is empty']);
  refuses('\n \n', ['is empty']);
  refuses('5\n4\n', ['line 2', '"4"', '5 or more']);
  refuses('5\n\n6.5\n', ['line 3', '"6.5"', 'whole number']);
  refuses('5\n-6\n', ['line 2', '"-6"']);
  refuses('5\nNaN\n', ['line 2', '"NaN"']);
  refuses('5\n99999999999\n', ['line 2', 'to 1000000000']);
  refuses('0\n0\n', ['0 ms', 'above 0']);
  refuses('a trace of nobody knows what, longer than anybody would read', ['line 1', '...']);
});

Mahimahi.run();

const Columns = suite('a trace of two columns');

Columns('has the rate of the time before each line', () => {
  const rate = parseTrace('a', '0.0\t9\n0.5 2.5\n2 0\n');
  assert.equal(rate, {
    kind: 'steps',
    steps: [
      { fromMs: 0, bitsPerSecond: 2.5e6 },
      { fromMs: 500, bitsPerSecond: 0 },
    ],
    lengthMs: 2000,
  });
  assert.is(meanBitsPerSecond(rate), 0.625e6);
});

Columns('begins at its first line, whatever the time there', () => {
  assert.is(parseTrace('a', '100 1\n101 2').lengthMs, 1000);
});

Columns('that is none is refused by line and value', () => {
  refuses('0 1\n', ['1 moments', 'two or more']);
  refuses('0 1\n1 -2\n', ['line 2', '"-2"', 'Mbit/s']);
  refuses('0 1\n1\n', ['line 2', 'two numbers']);
  refuses('0 1\n1 2 3\n', ['line 2', 'two numbers']);
  refuses('2 1\n1 2\n', ['line 2', '1 s', '2 s or later']);
  refuses('0 1\n1 0\n2 0\n', ['0 at all times']);
  refuses('0 1\n1 1e400\n', ['line 2', '1e400']);
  refuses('0 1\n1 0x10\n', ['line 2', '0x10']);
});

Columns.run();

const Csv = suite('a trace in CSV');

Csv('is read by two of its columns; a time with several values has their mean', () => {
  const rows = [
    'Timestamp,Note,DL_bitrate',
    '2020.02.28_23.59.58,a,500',
    '2020.02.28_23.59.59,"b, and ""c""",1000',
    '2020.02.29_00.00.01,d,-',
    '2020.02.29_00.00.02,e,2000',
    '2020.02.29_00.00.02,e,4000',
  ];
  assert.equal(parseTrace('a', `\uFEFF${rows.join('\r\n')}`, csv), {
    kind: 'steps',
    steps: [
      { fromMs: 0, bitsPerSecond: 1e6 },
      { fromMs: 1000, bitsPerSecond: 3e6 },
    ],
    lengthMs: 4000,
  });
});

Csv('may have plain seconds, and other names', () => {
  const format: TraceFormat = { kind: 'csv', timeColumn: 't', rateColumn: 'kbps' };
  assert.equal(parseTrace('a', 'kbps,t\n8,1700000000.5\n9,1700000001.5', format), {
    kind: 'steps',
    steps: [{ fromMs: 0, bitsPerSecond: 9000 }],
    lengthMs: 1000,
  });
});

Csv('that is none is refused by line and value', () => {
  refuses('Timestamp,DL_bitrate\n1,2\n', ['line 1', 'FILE#TIME:RATE']);
  refuses('Time,DL_bitrate\n1,2\n', ['line 1', '"Timestamp"', 'Time, DL_bitrate'], csv);
  refuses('Timestamp,DL_bitrate\n1\n', ['line 2', 'columns of line 1'], csv);
  refuses('Timestamp,DL_bitrate\n1,2\n2,x\n', ['line 3', '"x"', 'DL_bitrate in kbit/s'], csv);
  refuses('Timestamp,DL_bitrate\nnoon,2\n', ['line 2', '"noon"', 'YYYY.MM.DD_hh.mm.ss'], csv);
  refuses('Timestamp,DL_bitrate\n2020.02.30_00.00.00,2\n', ['line 2', 'a moment that there is'], csv);
  refuses('Timestamp,DL_bitrate\n1,"2\n', ['line 2', 'each quote closed'], csv);
  refuses('Timestamp,DL_bitrate\n', ['0 moments'], csv);
});

Csv.run();

const Hostile = suite('a hostile trace');

Hostile('is read or refused, and what is read can be sent over', () => {
  const number = fc.oneof(
    fc.nat(3000).map(String),
    fc.double().map(String),
    fc.constantFrom('-', '', '1e9', '"', 'NaN'),
  );
  const line = fc
    .array(number, { maxLength: 3 })
    .chain((words) => fc.constantFrom(' ', ',', '\t').map((separator) => words.join(separator)));
  const lines = fc.array(line, { maxLength: 12 }).map((all) => all.join('\n'));
  const sorted = fc.array(fc.nat(100_000)).map((all) => [...all].sort((a, b) => a - b).join('\n'));
  const contents = fc.oneof(
    fc.string({ unit: 'binary' }),
    lines,
    sorted,
    lines.map((text) => `Timestamp,DL_bitrate\n${text}`),
  );
  const formats = fc.constantFrom<TraceFormat | undefined>(
    undefined,
    { kind: 'mahimahi' },
    { kind: 'columns' },
    csv,
  );
  let read = 0;
  fc.assert(
    fc.property(contents, formats, (content, format) => {
      try {
        const rate = parseTrace('f', content, format);
        read++;
        assert.ok(meanBitsPerSecond(rate) > 0 && rate.lengthMs > 0);
        const direction = { rate, delayMs: 1, jitterMs: 0, lossShare: 0, queueBytes: 1500 };
        const arrivesMs = new OneWay(direction, [], Math.random).send(100, 12_345);
        assert.ok(arrivesMs >= 12_346 && arrivesMs < Number.POSITIVE_INFINITY, `${arrivesMs}`);
      } catch (thrown) {
        if (!(thrown instanceof OfframpError) || thrown.code !== 'CONFIG_INVALID') throw thrown;
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(read > 100, `${read} were traces`);
});

Hostile('of too many lines or bytes is not read to its end', () => {
  refuses('1\n'.repeat(5_000_001), ['5000000 lines']);
  const folder = mkdtempSync(join(tmpdir(), 'offramp-trace-'));
  try {
    const file = join(folder, 'long');
    writeFileSync(file, '');
    truncateSync(file, 64 * 1024 * 1024 + 1);
    assert.throws(() => readTraceFile(file), /expected a plain file of at most 67108864/);
    assert.throws(() => readTraceFile(join(folder, 'none')), /Cannot read the trace .*none/);
    assert.throws(() => readTraceFile(folder), /expected a plain file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

Hostile.run();

/** Published means in Mbit/s; those of two columns are means over the lines, whatever time each stands for. */
const published: readonly (readonly [string, number])[] = [
  ['mahimahi/ATT-LTE-driving-2016.up', 1.91],
  ['mahimahi/ATT-LTE-driving-2016.down', 4.56],
  ['mahimahi/Verizon-LTE-short.up', 5.95],
  ['mahimahi/Verizon-LTE-short.down', 5.03],
  ['mahimahi/TMobile-LTE-short.up', 13.32],
  ['mahimahi/TMobile-UMTS-driving.up', 0.94],
  ['mahimahi/TMobile-UMTS-driving.down', 2.02],
  ['hsdpa-no/norway_bus_1', 3.34],
  ['hsdpa-no/norway_car_2', 1.14],
  ['hsdpa-no/norway_ferry_2', 1.55],
  ['hsdpa-no/norway_metro_2', 1.44],
  ['hsdpa-no/norway_train_1', 1.59],
  ['hsdpa-no/norway_tram_10', 1.05],
];

const Real = suite('real traces');

Real('have the mean rates that are published with them', () => {
  const data = dataFolder();
  if (data === undefined) return skip('the mean rates of real traces: OFFRAMP_DATA is not set');
  for (const [name, mbitPerSecond] of published) {
    const rate = parseTrace(name, readFileSync(join(data, 'traces', name), 'utf8'));
    const mean =
      rate.kind === 'steps'
        ? rate.steps.reduce((sum, step) => sum + step.bitsPerSecond, 0) / rate.steps.length
        : meanBitsPerSecond(rate);
    assert.ok(Math.abs(mean / 1e6 - mbitPerSecond) < 0.01, `${name}: ${mean}`);
  }
});

Real('in CSV have the published means, to what several values in a second make of it', () => {
  const data = dataFolder();
  if (data === undefined) return skip('real traces in CSV: OFFRAMP_DATA is not set');
  for (const [name, mbitPerSecond] of [
    ['B_2020.02.14_13.21.26', 121],
    ['B_2020.01.16_09.56.56', 40],
    ['B_2020.02.14_12.58.17', 4.5],
  ] as const) {
    const rate = parseTrace(name, readFileSync(join(data, 'traces', '5g-ie', `${name}.csv`), 'utf8'), csv);
    const mean = meanBitsPerSecond(rate) / 1e6;
    assert.ok(Math.abs(mean / mbitPerSecond - 1) < 0.06, `${name}: ${mean}`);
  }
});

Real.run();
