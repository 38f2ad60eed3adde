import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errorKind, OfframpError } from '../../shared/errors.ts';
import {
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
  pictureFormats,
} from '../../shared/protocol/index.ts';
import { throwsCode } from './expect.ts';
import { bytes, hex } from './hex.ts';

const classes = 3;
const digest = 'ab'.repeat(32);
const protocolCodes = ['FRAME_INVALID', 'PROTOCOL_UNSUPPORTED', 'HELLO_INVALID'];

/** Decodes as a peer would, then encodes again what was understood. */
function again(message: Uint8Array): Uint8Array {
  const frame = decodeFrame(message);
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
    case 'error':
      return errorAgain(frame);
  }
}

function errorAgain(frame: Frame): Uint8Array {
  const { id, code, message, retryAfterMs } = parseError(frame);
  return encodeError(id, new OfframpError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs }));
}

/** Whether the message is refused by one of the protocol's codes; any other exception goes through. */
function refused(message: Uint8Array): boolean {
  try {
    again(message);
    return false;
  } catch (thrown) {
    if (thrown instanceof OfframpError && protocolCodes.includes(thrown.code)) return true;
    throw thrown;
  }
}

const size = fc.integer({ min: 0, max: 0xffff_ffff });
const requestId = fc.integer({ min: 1, max: 0xffff_ffff });
const rows = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 });

const infers = fc
  .record({
    id: requestId,
    bundleTag: size,
    cut: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 64 })),
    channels: fc.option(fc.integer({ min: 1, max: 4096 }), { nil: undefined }),
    format: fc.option(fc.constantFrom(...pictureFormats), { nil: undefined }),
    budgetMs: size,
    rows,
  })
  .map(({ channels, format, ...request }) => {
    if (request.cut > 0) return encodeInfer(channels === undefined ? request : { ...request, channels });
    return encodeInfer(format === undefined ? request : { ...request, format });
  });
const results = fc.integer({ min: 1, max: 4 }).chain((count) =>
  fc
    .record({
      id: requestId,
      exits: fc.array(fc.integer({ min: 0, max: 63 }), { minLength: count, maxLength: count }),
      logits: fc.float32Array({
        minLength: count * classes,
        maxLength: count * classes,
        noNaN: true,
        noDefaultInfinity: true,
      }),
      queueMicros: size,
      runMicros: size,
      batchRows: fc.integer({ min: 1, max: 1000 }),
      queuedRows: fc.integer({ min: 0, max: 1000 }),
    })
    .map(encodeResult),
);
const claims = fc.array(fc.record({ id: fc.string({ maxLength: 16 }), digest: fc.constant(digest) }), {
  minLength: 1,
  maxLength: 3,
});
const hellos = fc
  .record({ agent: fc.string({ maxLength: 30 }), token: fc.string({ maxLength: 30 }), bundles: claims })
  .map(encodeHello);
const welcomes = fc
  .record({
    server: fc.string({ maxLength: 30 }),
    bundles: claims,
    credits: fc.integer({ min: 1, max: 65_536 }),
    maxFrameBytes: fc.integer({ min: 64, max: 2 ** 31 }),
    heartbeatMs: fc.integer({ min: 100, max: 600_000 }),
    load: fc.record({ queuedRows: fc.nat(), runningRows: fc.nat() }).map((load) => ({
      queuedRows: load.queuedRows % 1e9,
      runningRows: load.runningRows % 1e9,
    })),
  })
  .map(encodeWelcome);
const errors = fc
  .record({ id: size, message: fc.string(), retryAfterMs: fc.integer({ min: 0, max: 3_600_000 }) })
  .map(({ id, message, retryAfterMs }) =>
    encodeError(id, new OfframpError('BUSY', message, { retryAfterMs })),
  );
const goaways = fc.string({ maxLength: 60 }).map(encodeGoaway);
const shares = fc.double({ min: 0, max: 1, noNaN: true });
const alarms = fc
  .record(
    {
      bundleTag: fc.nat(0xffff_ffff),
      audits: fc.record({ seen: shares, allowed: shares, thresholdScale: shares }),
      exitShare: fc.record({ seen: shares, calibrated: shares }),
    },
    { requiredKeys: ['bundleTag'] },
  )
  .map(encodeAlarms);
const anyFrame = fc.oneof(infers, results, hellos, welcomes, errors, goaways, alarms);

const RoundTrip = suite('round trips');

RoundTrip('every frame that can be made means the same on the other side', () => {
  fc.assert(
    fc.property(anyFrame, (message) => {
      assert.is(hex(again(message)), hex(message));
    }),
    { numRuns: 600 },
  );
});

RoundTrip('at any address too', () => {
  fc.assert(
    fc.property(anyFrame, fc.integer({ min: 1, max: 9 }), (message, offset) => {
      const larger = Buffer.alloc(message.length + offset + 5, 0xa5);
      larger.set(message, offset);
      assert.is(hex(again(larger.subarray(offset, offset + message.length))), hex(message));
    }),
    { numRuns: 200 },
  );
});

RoundTrip.run();

const Hostile = suite('hostile messages');

Hostile('random bytes are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (message) => {
      // The magic byte, the version and a known type are too much to guess at once.
      assert.ok(message[0] === 0x4f || refused(message));
      refused(message);
    }),
    { numRuns: 1000 },
  );
});

Hostile('random bytes after a valid start are a frame or refused, never anything else', () => {
  const start = fc.integer({ min: 0x11, max: 0x16 });
  fc.assert(
    fc.property(start, fc.uint8Array({ minLength: 6, maxLength: 120 }), (second, rest) => {
      const message = Uint8Array.of(0x4f, second, ...rest);
      // A header length that fits, or hardly any message would reach the header.
      message[2] = (message[2] ?? 0) % Math.max(1, message.length - 8);
      message[3] = 0;
      refused(message);
    }),
    { numRuns: 3000 },
  );
});

Hostile('a frame cut short anywhere is refused, or shorter in its last row only', () => {
  fc.assert(
    fc.property(anyFrame, fc.double({ min: 0, max: 0.999, noNaN: true }), (message, share) => {
      const cut = message.subarray(0, Math.floor(message.length * share));
      if (refused(cut)) return;
      const whole = decodeFrame(message);
      assert.is(whole.type, 'infer');
      assert.equal(decodeFrame(cut).header, whole.header);
      assert.is(parseInfer(whole).rows.length, 1, 'several rows, and a missing byte was not seen');
    }),
    { numRuns: 600 },
  );
});

Hostile('a frame with changed bytes is a frame or refused, never anything else', () => {
  const change = fc.tuple(fc.nat({ max: 400 }), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(anyFrame, fc.array(change, { minLength: 1, maxLength: 6 }), (message, changes) => {
      for (const [at, byte] of changes) message[at % message.length] = byte;
      refused(message);
    }),
    { numRuns: 3000 },
  );
});

Hostile('a result followed by another frame in the same message is refused', () => {
  fc.assert(
    fc.property(results, anyFrame, (first, second) => {
      const both = new Uint8Array(first.length + second.length);
      both.set(first);
      both.set(second, first.length);
      throwsCode(() => parseResult(decodeFrame(both), classes), 'FRAME_INVALID', 'payload bytes');
    }),
    { numRuns: 100 },
  );
});

Hostile.run();

/** A frame of `type` whose header is these very bytes. */
function frameOf(second: number, header: Uint8Array): Uint8Array {
  const message = new Uint8Array(Math.ceil((8 + header.length) / 8) * 8);
  message.set(Uint8Array.of(0x4f, second, header.length & 0xff, header.length >>> 8));
  message.set(header, 8);
  return message;
}

const types = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16];
const limitMs = 500;

function quicklyRefused(header: Uint8Array): void {
  for (const second of types) {
    const startedAt = performance.now();
    assert.ok(refused(frameOf(second, header)), `type ${second} took ${hex(header).slice(0, 60)}`);
    const took = performance.now() - startedAt;
    assert.ok(took < limitMs, `${took} ms for ${hex(header).slice(0, 60)}`);
  }
}

const MessagePack = suite('hostile MessagePack');

const hostileHeaders: readonly [name: string, header: string][] = [
  ['an array of 2^32 - 1', 'dd ffffffff'],
  ['an array of 30 million', 'dd 01c9c380'],
  ['a map of 2^32 - 1', 'df ffffffff'],
  ['a map of 65535', 'de ffff'],
  ['text of 2^32 - 1 bytes', 'db ffffffff'],
  ['binary of 2^32 - 1 bytes', 'c6 ffffffff'],
  ['an extension of 2^32 - 1 bytes', 'c9 ffffffff 01'],
  ['the byte that never occurs', 'c1'],
  ['nil', 'c0'],
  ['a number', '2a'],
  ['a BigInt', 'cf ffffffffffffffff'],
  ['a Date', 'd6 ff 00000001'],
  ['a Set', 'd4 73 00 90'],
  ['a RegExp', 'd4 78 00 92 a5 2861 2b29 2b a1 67'],
  ['a RegExp that is none', 'd4 78 00 92 a1 28 a0'],
  ['an Error', 'd4 65 00 92 a9 54797065 4572726f72 a1 78'],
  ['an Error of a type that is none', 'd4 65 00 92 a6 57656952 6421 a1 78'],
  ['a typed array', 'c7 05 74 07 00000000'],
  ['a typed array of an unknown kind', 'c7 05 74 7f 00000000'],
  ['an extension nobody knows', 'd4 2a 00'],
  ['a record definition', 'd4 72 40 91 a1 62 05'],
  ['a record with a key from the prototype', 'd4 72 40 91 a9 5f5f70726f746f5f5f 05'],
  ['a record of an undefined shape', 'd4 72 40 c0'],
  ['a pointer', 'd6 70 00000001'],
  ['a structure that holds itself', 'd6 69 00000001 91 d6 70 00000001'],
  ['a map under __proto__', '82 a9 5f5f70726f746f5f5f 81 a1 62 01 a1 74 01'],
  ['a map under constructor', '83 a1 62 01 a1 74 01 ab 636f6e7374727563746f72 80'],
  ['keys that are numbers', '82 01 02 03 04'],
  ['a key twice, then a stranger', '83 a1 62 01 a1 62 02 a1 7a 03'],
  ['a key that is a map', '81 80 01'],
];
for (const [name, header] of hostileHeaders) {
  MessagePack(`${name} is refused at once`, () => {
    quicklyRefused(bytes(header));
  });
}

MessagePack('values of foreign types where numbers belong are refused', () => {
  const values = ['d6ff00000001', 'd4730090', 'cfffffffffffffffff', 'cb7ff8000000000000', 'c0', '90', 'c3'];
  for (const value of values) quicklyRefused(bytes(`82 a162 ${value} a174 ${value}`));
});

MessagePack('nesting as deep as a header can be is refused', () => {
  for (const depth of [100, 1000, 5000, 16_000]) {
    quicklyRefused(Uint8Array.from({ length: depth }, () => 0x91));
    const maps = bytes('81a162'.repeat(Math.floor(depth / 3)));
    quicklyRefused(maps);
  }
});

MessagePack('nested arrays that each claim millions take no memory for it', () => {
  const nested = new Uint8Array(16_000);
  for (let at = 0; at + 5 <= nested.length; at += 5) nested.set(bytes('dd01f78a40'), at);
  const before = process.memoryUsage().rss;
  quicklyRefused(nested);
  const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grownMiB < 200, `${grownMiB} MiB`);
});

MessagePack('many record definitions in one header are refused at once', () => {
  quicklyRefused(bytes(`dc 0400 ${'d4724091a16205'.repeat(1024)}`));
});

MessagePack('no prototype is touched', () => {
  const before = Object.getOwnPropertyNames(Object.prototype).length;
  refused(frameOf(0x13, bytes('82 a9 5f5f70726f746f5f5f 81 a8 706f6c6c75746564 01 a1 74 01')));
  refused(frameOf(0x13, bytes('81 ab 636f6e7374727563746f72 81 a9 70726f746f74797065 81 a1 78 01')));
  assert.is(Object.getOwnPropertyNames(Object.prototype).length, before);
  assert.is(Reflect.get({}, 'polluted'), undefined);
});

MessagePack('a hostile header leaves nothing behind for the next message, whoever sends it', () => {
  // 0x40 to 0x7f are small numbers in MessagePack and record ids in msgpackr's own extension.
  const message = encodeInfer({ id: 1, bundleTag: 0x40, cut: 64, budgetMs: 0x41, rows: [bytes('01')] });
  const before = parseInfer(decodeFrame(message));
  for (const [, header] of hostileHeaders) {
    for (const second of types) refused(frameOf(second, bytes(header)));
    assert.equal(parseInfer(decodeFrame(message)), before, `after ${header}`);
  }
});

MessagePack('a peer that packs with the same library and its defaults is understood or refused', () => {
  const packr = new Packr();
  const values = [{ b: 1, t: 2 }, { b: 64, t: 65 }, new Map([['b', 1]]), [1, 2], { b: 1n, t: 2 }];
  for (const value of values) refused(frameOf(0x13, new Uint8Array(packr.pack(value))));
});

MessagePack('every value that msgpackr can pack is understood or refused', () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: true });
  const values = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true });
  const headers = fc.oneof(values, fc.dictionary(fc.constantFrom('b', 't', 'c', 'l', 'e', 'code'), values));
  fc.assert(
    fc.property(headers, fc.constantFrom(...types), (value, second) => {
      let header: Uint8Array;
      try {
        header = packr.pack(value);
      } catch {
        return; // Some values, such as a BigInt beyond 64 bits, cannot be packed.
      }
      if (header.length < 16_000) refused(frameOf(second, header));
    }),
    { numRuns: 1000 },
  );
});

MessagePack('every protocol code ends the connection', () => {
  for (const code of ['FRAME_INVALID', 'PROTOCOL_UNSUPPORTED', 'HELLO_INVALID'] as const) {
    assert.ok((errorKind(code).closeCode ?? 0) >= 1000);
  }
});

MessagePack.run();
