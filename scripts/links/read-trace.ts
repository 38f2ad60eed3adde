import { readFileSync, statSync } from 'node:fs';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import type { Rate, RateStep } from './link.ts';
import { badLine, csvFields, linesOf, numberAt, type Place, type TraceLine } from './trace-lines.ts';

/** How a trace is written; docs/links.md describes each. */
export type TraceFormat =
  /** One whole number a line: the millisecond at which a packet of 1500 bytes may leave. */
  | { readonly kind: 'mahimahi' }
  /** Seconds and Mbit/s over the interval that ends there. */
  | { readonly kind: 'columns' }
  /** A header and the names of two of its columns: when, and kbit/s over the interval that ends there. */
  | { readonly kind: 'csv'; readonly timeColumn: string; readonly rateColumn: string };

export type TraceRate = Extract<Rate, { kind: 'opportunities' | 'steps' }>;

const mostFileBytes = 64 * 1024 * 1024;
const mostTraceMs = 1e9;
const mostSeconds = 1e11;
const mostBitsPerSecond = 1e12;

/** Reads a trace's file as text. @throws OfframpError CONFIG_INVALID when it cannot be read, or has more than 64 MiB. */
export function readTraceFile(file: string): string {
  try {
    const found = statSync(file);
    // A pipe or a device may never end.
    if (found.isFile() && found.size <= mostFileBytes) return readFileSync(file, 'utf8');
  } catch (thrown) {
    const message = `Cannot read the trace ${file}: ${reasonOf(thrown)}`;
    throw new OfframpError('CONFIG_INVALID', message, { cause: thrown });
  }
  throw new OfframpError(
    'CONFIG_INVALID',
    `${file}: expected a plain file of at most ${mostFileBytes} bytes`,
  );
}

/**
 * The rate that a trace has recorded. Its time begins at its first line.
 * @param file its name, for errors
 * @param format found by the first line where absent; CSV has to be named, with its columns
 * @throws OfframpError CONFIG_INVALID naming file, line, what was got and what was expected.
 */
export function parseTrace(file: string, content: string, format?: TraceFormat): TraceRate {
  const found = format ?? formatOf(file, content);
  switch (found.kind) {
    case 'mahimahi':
      return parseOpportunities(file, content);
    case 'columns':
      return stepsOf(file, columnSamples(file, content));
    case 'csv':
      return stepsOf(file, csvSamples(file, content, found.timeColumn, found.rateColumn));
  }
}

function formatOf(file: string, content: string): TraceFormat {
  const [first] = linesOf(file, content);
  if (first === undefined) throw new OfframpError('CONFIG_INVALID', `${file} is empty, expected a trace`);
  if (/^\d+$/.test(first.text)) return { kind: 'mahimahi' };
  if (/^[-+.\deE]+\s+[-+.\deE]+$/.test(first.text)) return { kind: 'columns' };
  const expected =
    'a whole number of milliseconds, or seconds and Mbit/s; columns of a CSV have to be named, FILE#TIME:RATE';
  throw badLine(first, first.text, expected);
}

function parseOpportunities(file: string, content: string): TraceRate {
  const atMs: number[] = [];
  let lengthMs = 0;
  for (const line of linesOf(file, content)) {
    if (!/^\d+$/.test(line.text)) throw badLine(line, line.text, 'a whole number of milliseconds');
    const ms = numberAt(line, line.text, 0, mostTraceMs, 'milliseconds');
    if (ms < lengthMs) throw badLine(line, line.text, `${lengthMs} or more, what the line before says`);
    atMs.push(ms);
    lengthMs = ms;
  }
  if (lengthMs > 0) return { kind: 'opportunities', atMs: Float64Array.from(atMs), lengthMs };
  throw new OfframpError(
    'CONFIG_INVALID',
    `${file} is a trace of 0 ms, expected its last line to be above 0`,
  );
}

/** A rate over the time since the sample before. */
interface Sample extends Place {
  readonly seconds: number;
  readonly bitsPerSecond: number;
}

function* columnSamples(file: string, content: string): Generator<Sample> {
  for (const line of linesOf(file, content)) {
    const [time = '', rate = '', ...rest] = line.text.split(/\s+/);
    if (rate === '' || rest.length > 0) throw badLine(line, line.text, 'two numbers, seconds and Mbit/s');
    const seconds = numberAt(line, time, 0, mostSeconds, 'seconds');
    const mbit = numberAt(line, rate, 0, mostBitsPerSecond / 1e6, 'Mbit/s');
    yield { file, line: line.line, seconds, bitsPerSecond: mbit * 1e6 };
  }
}

/** Rows without a value of the rate are left out; the next value stands for their time too. */
function* csvSamples(
  file: string,
  content: string,
  timeColumn: string,
  rateColumn: string,
): Generator<Sample> {
  let columns: { readonly time: number; readonly rate: number } | undefined;
  for (const line of linesOf(file, content)) {
    const fields = csvFields(line);
    if (columns === undefined) {
      columns = { time: columnAt(line, fields, timeColumn), rate: columnAt(line, fields, rateColumn) };
      continue;
    }
    const time = fields[columns.time];
    const rate = fields[columns.rate];
    if (time === undefined || rate === undefined) {
      throw badLine(line, line.text, `the columns of line 1, ${timeColumn} and ${rateColumn} among them`);
    }
    if (rate === '-' || rate === '') continue;
    const kbit = numberAt(line, rate, 0, mostBitsPerSecond / 1e3, `${rateColumn} in kbit/s, or -`);
    yield { file, line: line.line, seconds: secondsAt(line, time), bitsPerSecond: kbit * 1e3 };
  }
}

function columnAt(header: TraceLine, names: readonly string[], name: string): number {
  const at = names.indexOf(name);
  if (at === -1) throw badLine(header, name, `one of its columns, ${names.join(', ')}`);
  return at;
}

function secondsAt(place: Place, text: string): number {
  const parts = /^(\d{4})\.(\d\d)\.(\d\d)_(\d\d)\.(\d\d)\.(\d\d)$/.exec(text);
  if (parts === null) return numberAt(place, text, 0, mostSeconds, 'YYYY.MM.DD_hh.mm.ss or seconds');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number);
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  // A 30th of February would be taken for the 1st or 2nd of March.
  const same = new Date(ms).toISOString().replace(/[-:]/g, '.').replace('T', '_').startsWith(text);
  if (same) return ms / 1000;
  throw badLine(place, text, 'a moment that there is, YYYY.MM.DD_hh.mm.ss');
}

/** What was measured until one moment, of one or several samples. */
interface Until {
  ms: number;
  sum: number;
  samples: number;
}

function stepsOf(file: string, samples: Iterable<Sample>): TraceRate {
  const untils: Until[] = [];
  let startSeconds: number | undefined;
  for (const sample of samples) {
    startSeconds ??= sample.seconds;
    const ms = (sample.seconds - startSeconds) * 1000;
    const last = untils.at(-1);
    if (last !== undefined && ms < last.ms) {
      throw badLine(
        sample,
        `${sample.seconds} s`,
        `${startSeconds + last.ms / 1000} s or later, as before it`,
      );
    }
    if (ms > mostTraceMs) throw badLine(sample, `${ms} ms after the first line`, `at most ${mostTraceMs} ms`);
    if (last?.ms === ms) {
      last.sum += sample.bitsPerSecond;
      last.samples++;
    } else untils.push({ ms, sum: sample.bitsPerSecond, samples: 1 });
  }
  // What was measured until the first moment has no beginning.
  const steps = untils.slice(1).map(({ sum, samples: count }, index): RateStep => {
    return { fromMs: untils[index]?.ms ?? 0, bitsPerSecond: sum / count };
  });
  const lengthMs = untils.at(-1)?.ms ?? 0;
  if (steps.length === 0) {
    throw new OfframpError('CONFIG_INVALID', `${file} has ${untils.length} moments, expected two or more`);
  }
  if (steps.some(({ bitsPerSecond }) => bitsPerSecond > 0)) return { kind: 'steps', steps, lengthMs };
  throw new OfframpError('CONFIG_INVALID', `${file} is 0 at all times, expected a rate above 0 at some time`);
}
