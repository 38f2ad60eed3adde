import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errorCodes, errorKind, OfframpError } from '../../shared/errors.ts';
import {
  clientWireBytes,
  decodeFrame,
  encodeAlarms,
  encodeError,
  encodeGoaway,
  encodeHello,
  encodeInfer,
  encodeResult,
  encodeWelcome,
  type Frame,
  parseAlarms,
  parseError,
  parseGoaway,
  parseHello,
  parseInfer,
  parseResult,
  parseWelcome,
} from '../../shared/protocol/index.ts';
import { firstCells, readPage } from './page.ts';

const page = readPage('protocol.md');

/** A hex dump and the JSON block that says what it holds. */
interface Example {
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly says: Record<string, unknown>;
}

/** Hex pairs of a dump; what follows two spaces on a line is a comment. */
function bytesOfDump(dump: string): Uint8Array {
  const pairs = dump.split('\n').flatMap((line) => (line.split('  ')[0] ?? '').trim().split(' '));
  assert.ok(
    pairs.every((pair) => /^[0-9a-f]{2}$/.test(pair)),
    'a dump of hex pairs',
  );
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}

const examples: Example[] = [
  ...page.matchAll(/^```hex (\w+)\n([\s\S]*?)\n```\n\n```json (\w+)\n([\s\S]*?)\n```$/gm),
].map(([, type = '', dump = '', jsonType, json = '']) => {
  assert.is(jsonType, type);
  return { type, bytes: bytesOfDump(dump), says: JSON.parse(json) };
});

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** What a frame holds, in the words of the page. */
function contentOf(frame: Frame, classes: number): unknown {
  switch (frame.type) {
    case 'hello':
      return parseHello(frame.header);
    case 'welcome':
      return parseWelcome(frame.header);
    case 'goaway':
      return parseGoaway(frame.header);
    case 'alarms':
      return parseAlarms(frame.header);
    case 'error':
      return parseError(frame);
    case 'infer': {
      const request = parseInfer(frame);
      return { ...request, rows: request.rows.map(hexOf) };
    }
    case 'result': {
      const result = parseResult(frame, classes);
      return { ...result, logits: Array.from(result.logits) };
    }
  }
}

/** Encodes the content of a frame anew. The parsers have checked it before, so the casts below hold. */
function encoded(frame: Frame, classes: number): Uint8Array {
  switch (frame.type) {
    case 'hello':
      return encodeHello(parseHello(frame.header));
    case 'welcome':
      return encodeWelcome(parseWelcome(frame.header));
    case 'goaway':
      return encodeGoaway(parseGoaway(frame.header).reason);
    case 'alarms':
      return encodeAlarms(parseAlarms(frame.header));
    case 'infer':
      return encodeInfer(parseInfer(frame));
    case 'result':
      return encodeResult(parseResult(frame, classes));
    case 'error': {
      const { id, code, message, retryAfterMs } = parseError(frame);
      const options = retryAfterMs === undefined ? {} : { retryAfterMs };
      return encodeError(id, new OfframpError(code, message, options));
    }
  }
}

function classesOf({ says }: Example): number {
  const { logits, exits } = says;
  return Array.isArray(logits) && Array.isArray(exits) ? logits.length / exits.length : 0;
}

const Dumps = suite('docs/protocol.md, hex dumps');

Dumps('show every message at least once, and none without its words', () => {
  const types = [...new Set(examples.map(({ type }) => type))];
  assert.equal(types, ['hello', 'welcome', 'infer', 'result', 'error', 'goaway', 'alarms']);
  assert.is(examples.length, page.match(/^```hex /gm)?.length);
});

for (const [index, example] of examples.entries()) {
  Dumps(`decode to what the page says: ${index + 1}, ${example.type}`, () => {
    const frame = decodeFrame(example.bytes);
    assert.is(frame.type, example.type);
    assert.equal(contentOf(frame, classesOf(example)), example.says);
  });

  Dumps(`are what the code sends: ${index + 1}, ${example.type}`, () => {
    const again = encoded(decodeFrame(example.bytes), classesOf(example));
    assert.is(hexOf(again), hexOf(example.bytes));
  });
}

Dumps('of an infer frame have the 24 bytes before the row that the page counts with', () => {
  const infer = examples.find(({ type }) => type === 'infer');
  assert.ok(infer);
  assert.is(infer.bytes.length - decodeFrame(infer.bytes).payload.length, 24);
  assert.is(clientWireBytes(24 + 15), 45);
});

Dumps.run();

const Fields = suite('docs/protocol.md, tables');

/** Text of one message's section. */
function sectionOf(name: string): string {
  return page.split(/^#{2,3} /m).find((section) => section.startsWith(`${name}\n`)) ?? '';
}

Fields('name the header fields of every example', () => {
  for (const { type, bytes } of examples) {
    const header = decodeFrame(bytes).header;
    assert.ok(typeof header === 'object' && header !== null);
    const described = firstCells(sectionOf(type), 'field').map((field) => field.split(/[.[]/)[0]);
    for (const field of Object.keys(header)) assert.ok(described.includes(field), `${type}: ${field}`);
  }
});

Fields('list every close code of the error table', () => {
  const listed = firstCells(sectionOf('5. Close codes'), 'code').map(Number);
  for (const code of errorCodes) {
    const { closeCode } = errorKind(code);
    if (closeCode !== undefined) assert.ok(listed.includes(closeCode), `${code}: ${closeCode}`);
  }
});

Fields.run();
