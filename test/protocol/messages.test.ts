import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import {
  bundleTag,
  decodeFrame,
  encodeAlarms,
  encodeError,
  encodeFrame,
  encodeGoaway,
  encodeHello,
  encodeInfer,
  encodeResult,
  encodeWelcome,
  isQuiet,
  parseAlarms,
  parseError,
  parseGoaway,
  parseHello,
  parseInfer,
  parseResult,
  parseWelcome,
  type Welcome,
} from '../../shared/protocol/index.ts';
import { throwsCode } from './expect.ts';
import { bytes, isHex } from './hex.ts';

const digest = `00112233${'ab'.repeat(28)}`;
const digestHex = Buffer.from(digest).toString('hex');
const claim = { id: 'm', digest };
const claimHex = `82 a2 6964 a1 6d  a6 646967657374 d940 ${digestHex}`;

const Handshake = suite('hello, welcome, goaway, alarms');

const hello = { agent: 'cam/1', token: 'secret', bundles: [claim] };
const helloHex = `4f 11 7200 00000000
  83  a5 6167656e74 a5 63616d2f31  a5 746f6b656e a6 736563726574  a7 62756e646c6573 91 ${claimHex} 000000000000`;

Handshake('a hello has these bytes', () => {
  isHex(encodeHello(hello), helloHex);
  assert.equal(parseHello(decodeFrame(bytes(helloHex)).header), hello);
});

Handshake('a hello may come without a token', () => {
  const open = { agent: 'cam/1', bundles: [claim] };
  const openHex = `4f 11 6500 00000000  82  a5 6167656e74 a5 63616d2f31  a7 62756e646c6573 91 ${claimHex} 000000`;
  isHex(encodeHello(open), openHex);
  assert.equal(parseHello(decodeFrame(bytes(openHex)).header), open);
});

const welcome: Welcome = {
  server: 's/1',
  bundles: [claim],
  credits: 64,
  maxFrameBytes: 65_536,
  heartbeatMs: 5000,
  load: { queuedRows: 0, runningRows: 2 },
};
const welcomeHex = `4f 12 ae00 00000000
  86  a6 736572766572 a3 732f31  a7 62756e646c6573 91 ${claimHex}  a7 63726564697473 40
  ad 6d61784672616d654279746573 ce 00010000  ab 6865617274626561744d73 cd 1388
  a4 6c6f6164 82 aa 717565756564526f7773 00 ab 72756e6e696e67526f7773 02 0000`;

Handshake('a welcome has these bytes', () => {
  isHex(encodeWelcome(welcome), welcomeHex);
  assert.equal(parseWelcome(decodeFrame(bytes(welcomeHex)).header), welcome);
});

Handshake('a welcome may say how long a picture may be, or nothing of pictures', () => {
  for (const header of [welcome, { ...welcome, maxImageBytes: 262_144 }]) {
    assert.equal(parseWelcome(decodeFrame(encodeWelcome(header)).header), header);
  }
});

const goawayHex = '4f 16 1100 00000000  81 a6 726561736f6e a8 647261696e696e67 00000000000000';

Handshake('a goaway has these bytes', () => {
  isHex(encodeGoaway('draining'), goawayHex);
  assert.equal(parseGoaway(decodeFrame(bytes(goawayHex)).header), { reason: 'draining' });
});

Handshake('a goaway with a long reason still parses on the other side', () => {
  const { reason } = parseGoaway(decodeFrame(encodeGoaway('r'.repeat(5000))).header);
  assert.is(reason, 'r'.repeat(256));
});

const alarms = {
  bundleTag: 0xcc1a5a86,
  audits: { seen: 0.25, allowed: 0.0078125, thresholdScale: 0.5 },
  exitShare: { seen: 0.125, calibrated: 0.5 },
};
const alarmsHex = [
  '4f 17 7400 00000000  83 a162 cecc1a5a86',
  'a6 617564697473 83 a4 7365656e cb3fd0000000000000 a7 616c6c6f776564 cb3f80000000000000',
  'ae 7468726573686f6c645363616c65 cb3fe0000000000000',
  'a9 657869745368617265 82 a4 7365656e cb3fc0000000000000 aa 63616c69627261746564 cb3fe0000000000000',
  '00000000',
].join(' ');

Handshake('alarms have these bytes', () => {
  isHex(encodeAlarms(alarms), alarmsHex);
  assert.equal(parseAlarms(decodeFrame(bytes(alarmsHex)).header), alarms);
});

Handshake('alarms of which none stands take them all back', () => {
  const { header } = decodeFrame(encodeAlarms({ bundleTag: 7 }));
  assert.equal(parseAlarms(header), { bundleTag: 7 });
  assert.ok(isQuiet({ bundleTag: 7 }));
  assert.not(isQuiet(alarms));
});

const badAlarms: readonly [name: string, header: Record<string, unknown>][] = [
  ['no bundle', { audits: alarms.audits }],
  ['a share above 1', { b: 1, exitShare: { seen: 1.5, calibrated: 0.5 } }],
  ['a share that is no number', { b: 1, exitShare: { seen: Number.NaN, calibrated: 0.5 } }],
  ['half an alarm', { b: 1, audits: { seen: 0.5 } }],
  ['a watch that there is not', { b: 1, temperature: { seen: 0.5 } }],
];
for (const [name, header] of badAlarms) {
  Handshake(`alarms with ${name} are FRAME_INVALID`, () => {
    throwsCode(() => parseAlarms(header), 'FRAME_INVALID', 'alarms');
  });
}

const badHellos: readonly [name: string, header: Record<string, unknown>][] = [
  ['no agent', { bundles: [claim] }],
  ['no bundles', { agent: 'a' }],
  ['an empty list of bundles', { agent: 'a', bundles: [] }],
  ['more than 64 bundles', { agent: 'a', bundles: Array.from({ length: 65 }, () => claim) }],
  ['a digest in capitals', { agent: 'a', bundles: [{ id: 'm', digest: digest.toUpperCase() }] }],
  ['a short digest', { agent: 'a', bundles: [{ id: 'm', digest: digest.slice(1) }] }],
  ['a field too many', { agent: 'a', bundles: [claim], admin: true }],
  ['a token that is no text', { agent: 'a', bundles: [claim], token: 7 }],
  ['a token of 513 letters', { agent: 'a', bundles: [claim], token: 't'.repeat(513) }],
  ['an agent of 129 letters', { agent: 'a'.repeat(129), bundles: [claim] }],
];
for (const [name, header] of badHellos) {
  Handshake(`a hello with ${name} is HELLO_INVALID`, () => {
    throwsCode(() => parseHello(header), 'HELLO_INVALID', 'hello');
  });
}

const badWelcomes: readonly [name: string, change: Record<string, unknown>][] = [
  ['no credits', { credits: 0 }],
  ['credits of 1.5', { credits: 1.5 }],
  ['a heartbeat of 0', { heartbeatMs: 0 }],
  ['a negative load', { load: { queuedRows: -1, runningRows: 0 } }],
  ['NaN frame bytes', { maxFrameBytes: Number.NaN }],
  ['a BigInt', { maxFrameBytes: 2n ** 60n }],
  ['pictures of 0 bytes', { maxImageBytes: 0 }],
  ['pictures of 1.5 bytes', { maxImageBytes: 1.5 }],
];
for (const [name, change] of badWelcomes) {
  Handshake(`a welcome with ${name} is FRAME_INVALID`, () => {
    throwsCode(() => parseWelcome({ ...welcome, ...change }), 'FRAME_INVALID', 'welcome');
  });
}

Handshake('a header that is no map is refused', () => {
  for (const header of [undefined, null, 0, 'x', [], [hello], new Date(), new Set(), /x/]) {
    throwsCode(() => parseHello(header), 'HELLO_INVALID');
    throwsCode(() => parseGoaway(header), 'FRAME_INVALID');
  }
});

Handshake.run();

const Infer = suite('infer');
const tag = bundleTag(`fedcba98${'0'.repeat(56)}`);
const one = { id: 1, bundleTag: tag, cut: 1, budgetMs: 250, rows: [Uint8Array.of(1, 2, 3)] };
const oneHex = '4f 13 0c00 01000000  82 a162 ce fedcba98 a174 cc fa 00000000  010203';

Infer('the tag is the first four bytes of the digest, read big-endian', () => {
  assert.is(tag, 0xfedcba98);
  assert.is(bundleTag(digest), 0x00112233);
});

Infer('one row at cut 1 has these bytes', () => {
  isHex(encodeInfer(one), oneHex);
  assert.equal(parseInfer(decodeFrame(bytes(oneHex))), one);
});

Infer('one row at cut 1 costs 24 bytes before its payload, whatever tag, budget, id and length', () => {
  for (const bundle of [0x01000000, 0xffff_ffff]) {
    for (const budgetMs of [128, 1000, 65_535, 65_536, 3_600_000]) {
      for (const length of [0, 1, 39, 784]) {
        const rows = [new Uint8Array(length)];
        const message = encodeInfer({ id: 0xffff_ffff, bundleTag: bundle, cut: 1, budgetMs, rows });
        assert.is(message.length, 24 + length, `tag ${bundle}, ${budgetMs} ms, ${length} bytes`);
      }
    }
  }
});

const imageHex = '4f 13 0e00 07000000  83 a162 ce fedcba98 a174 64 a163 00 0000  010203';

Infer('an image, cut 0, has these bytes', () => {
  const image = { ...one, id: 7, cut: 0, budgetMs: 100 };
  isHex(encodeInfer(image), imageHex);
  assert.equal(parseInfer(decodeFrame(bytes(imageHex))), image);
});

const pictureHex =
  '4f 13 1400 07000000  84 a162 ce fedcba98 a174 64 a163 00 a166 a3 706e67 00000000  89504e47';

Infer('a picture file, cut 0, has these bytes', () => {
  const picture = { ...one, id: 7, cut: 0, budgetMs: 100, rows: [Uint8Array.of(0x89, 0x50, 0x4e, 0x47)] };
  isHex(encodeInfer({ ...picture, format: 'png' }), pictureHex);
  assert.equal(parseInfer(decodeFrame(bytes(pictureHex))), { ...picture, format: 'png' });
});

Infer('a picture format where codes are sent is FRAME_INVALID', () => {
  for (const header of [
    { b: 1, t: 1, f: 'png' },
    { b: 1, t: 1, c: 1, f: 'jpeg' },
    { b: 1, t: 1, c: 64, f: 'webp' },
  ]) {
    const frame = decodeFrame(encodeFrame('infer', 1, header, Uint8Array.of(1)));
    throwsCode(() => parseInfer(frame), 'FRAME_INVALID', `f is '${header.f}' at cut ${header.c ?? 1}`);
  }
});

const manyHex = `4f 13 1100 02010000
  83 a162 ce fedcba98 a174 64 a16c 93 03 00 01 00000000000000  010203 04`;

Infer('several rows, an empty one among them, have these bytes', () => {
  const rows = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)];
  const many = { ...one, id: 258, budgetMs: 100, rows };
  isHex(encodeInfer(many), manyHex);
  assert.equal(parseInfer(decodeFrame(bytes(manyHex))), many);
});

const rateHex = '4f 13 0f00 01000000  83 a162 ce fedcba98 a174 cc fa a172 04 00  010203';

Infer('a row of four channels has these bytes', () => {
  const rated = { ...one, channels: 4 };
  isHex(encodeInfer(rated), rateHex);
  assert.equal(parseInfer(decodeFrame(bytes(rateHex))), rated);
});

Infer('a trace travels as x, and one that is none is passed over', () => {
  const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', sampled: true };
  const frame = decodeFrame(encodeInfer({ ...one, trace }));
  const x = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  assert.equal(frame.header, { b: one.bundleTag, t: one.budgetMs, x });
  assert.equal(parseInfer(frame).trace, trace);
  const odd = encodeFrame('infer', 1, { b: 1, t: 1, x: '-'.repeat(55) }, new Uint8Array(1));
  assert.is(parseInfer(decodeFrame(odd)).trace, undefined);
});

Infer('a priority travels as p, and none as nothing', () => {
  const frame = decodeFrame(encodeInfer({ ...one, priority: 3 }));
  assert.is(parseInfer(frame).priority, 3);
  assert.not('priority' in parseInfer(decodeFrame(encodeInfer(one))));
});

Infer('a rate of up to 127 channels costs no byte more, with a budget of up to 65,535 ms', () => {
  const message = { ...one, bundleTag: 0xffff_ffff, budgetMs: 65_535, rows: [new Uint8Array(5)] };
  assert.is(encodeInfer({ ...message, channels: 127 }).length, encodeInfer(message).length);
  assert.is(encodeInfer({ ...message, channels: 128 }).length, encodeInfer(message).length + 8);
});

Infer('a rate where images are sent is FRAME_INVALID', () => {
  const frame = decodeFrame(encodeFrame('infer', 1, { b: 1, t: 1, c: 0, r: 4 }, Uint8Array.of(1)));
  throwsCode(() => parseInfer(frame), 'FRAME_INVALID', 'r is 4 at cut 0');
});

Infer('cut 1 may also be written', () => {
  const header = { b: tag, t: 250, c: 1 };
  assert.equal(parseInfer(decodeFrame(encodeFrame('infer', 1, header, Uint8Array.of(1, 2, 3)))), one);
});

Infer('the budget is cut to whole milliseconds and never below 0', () => {
  const budget = (budgetMs: number) => parseInfer(decodeFrame(encodeInfer({ ...one, budgetMs }))).budgetMs;
  assert.is(budget(99.9), 99);
  assert.is(budget(0.4), 0);
  assert.is(budget(-3), 0);
});

Infer('a budget beyond the range of the field goes as the longest there is', () => {
  for (const budgetMs of [2 ** 40, Number.POSITIVE_INFINITY]) {
    const parsed = parseInfer(decodeFrame(encodeInfer({ ...one, budgetMs })));
    assert.is(parsed.budgetMs, 0xffff_ffff);
  }
});

const badInfers: readonly [name: string, header: Record<string, unknown>][] = [
  ['no tag', { t: 1 }],
  ['a tag beyond 32 bits', { b: 2 ** 32, t: 1 }],
  ['a negative budget', { b: 1, t: -1 }],
  ['a budget of NaN', { b: 1, t: Number.NaN }],
  ['a budget of infinity', { b: 1, t: Number.POSITIVE_INFINITY }],
  ['a budget that is text', { b: 1, t: '100' }],
  ['a BigInt tag', { b: 2n ** 60n, t: 1 }],
  ['cut 65', { b: 1, t: 1, c: 65 }],
  ['cut 0.5', { b: 1, t: 1, c: 0.5 }],
  ['priority 0', { b: 1, t: 1, p: 0 }],
  ['priority 65', { b: 1, t: 1, p: 65 }],
  ['a trace too long', { b: 1, t: 1, x: '0'.repeat(56) }],
  ['a rate of 0 channels', { b: 1, t: 1, r: 0 }],
  ['a rate of 4097 channels', { b: 1, t: 1, r: 4097 }],
  ['a rate of 1.5 channels', { b: 1, t: 1, r: 1.5 }],
  ['a rate that is text', { b: 1, t: 1, r: '4' }],
  ['a picture format that is none of ours', { b: 1, t: 1, c: 0, f: 'gif' }],
  ['a picture format in capitals', { b: 1, t: 1, c: 0, f: 'PNG' }],
  ['a picture format that is a number', { b: 1, t: 1, c: 0, f: 1 }],
  ['a picture format from the prototype', { b: 1, t: 1, c: 0, f: 'constructor' }],
  ['one row length', { b: 1, t: 1, l: [3] }],
  ['no row lengths', { b: 1, t: 1, l: [] }],
  ['a negative row length', { b: 1, t: 1, l: [4, -1] }],
  ['row lengths that add up to less', { b: 1, t: 1, l: [1, 1] }],
  ['row lengths that add up to more', { b: 1, t: 1, l: [3, 1] }],
  ['huge row lengths', { b: 1, t: 1, l: [2 ** 31, 2 ** 31] }],
  ['too many row lengths', { b: 1, t: 1, l: Array.from({ length: 1025 }, () => 0) }],
  ['a field too many', { b: 1, t: 1, x: 1 }],
];
for (const [name, header] of badInfers) {
  Infer(`an infer with ${name} is FRAME_INVALID`, () => {
    const message = encodeFrame('infer', 1, header, Uint8Array.of(1, 2, 3));
    throwsCode(() => parseInfer(decodeFrame(message)), 'FRAME_INVALID', 'infer');
  });
}

Infer.run();

const Result = suite('result');
const resultHex = `4f 14 1500 07000000
  85 a165 91 01 a171 64 a172 ce 00011171 a16e 03 a177 00 000000  0000803f 000000c0`;
const result = {
  id: 7,
  exits: [1],
  logits: Float32Array.of(1, -2),
  queueMicros: 100,
  runMicros: 70_001,
  batchRows: 3,
  queuedRows: 0,
};

Result('a result has these bytes; times go in whole microseconds, logits little-endian', () => {
  isHex(encodeResult({ ...result, queueMicros: 100.4, runMicros: 70_000.6 }), resultHex);
  assert.equal(parseResult(decodeFrame(bytes(resultHex)), 2), result);
});

Result('logits that are a view into a batch go alone', () => {
  const batch = Float32Array.of(9, 9, 1, -2, 9, 9);
  isHex(encodeResult({ ...result, logits: batch.subarray(2, 4) }), resultHex);
});

Result('logits come into memory of their own, at any address and from a Node Buffer', () => {
  const message = bytes(resultHex);
  for (let offset = 0; offset < 4; offset++) {
    const larger = Buffer.alloc(message.length + offset);
    larger.set(message, offset);
    const { logits } = parseResult(decodeFrame(larger.subarray(offset)), 2);
    larger.fill(0xff);
    assert.equal(logits, Float32Array.of(1, -2));
    assert.is(logits.buffer.byteLength, 8, 'the message is kept alive by its logits');
  }
});

Result('a payload of another length is FRAME_INVALID and says both lengths', () => {
  const frame = decodeFrame(bytes(resultHex));
  throwsCode(() => parseResult(frame, 3), 'FRAME_INVALID', '8 payload bytes, expected 12');
  throwsCode(() => parseResult(frame, 1), 'FRAME_INVALID', 'expected 4');
  const cut = decodeFrame(bytes(resultHex).subarray(0, -1));
  throwsCode(() => parseResult(cut, 2), 'FRAME_INVALID', '7 payload bytes');
});

Result('a logit that is not finite is FRAME_INVALID', () => {
  for (const logit of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const message = encodeResult({ ...result, logits: Float32Array.of(1, logit) });
    throwsCode(() => parseResult(decodeFrame(message), 2), 'FRAME_INVALID', 'finite');
  }
});

Result('rows whose depth was cut travel as d, and are absent where there are none', () => {
  const rows = { ...result, exits: [1, 0, 1], logits: Float32Array.of(1, 2, 3, 4, 5, 6) };
  const cut = encodeResult({ ...rows, depthCut: [0, 2] });
  assert.equal(parseResult(decodeFrame(cut), 2).depthCut, [0, 2]);
  assert.is(encodeResult({ ...rows, depthCut: [] }).length, encodeResult(rows).length);
  assert.not('depthCut' in parseResult(decodeFrame(encodeResult(rows)), 2));
});

const badResults: readonly [name: string, change: Record<string, unknown>][] = [
  ['no exits', { e: [] }],
  ['exit 64', { e: [64] }],
  ['exit -1', { e: [-1] }],
  ['more exits than rows', { e: [1, 1] }],
  ['a negative time', { q: -1 }],
  ['a time of NaN', { r: Number.NaN }],
  ['a batch of 0 rows', { n: 0 }],
  ['a field too many', { z: 1 }],
  ['no row whose depth was cut', { d: [] }],
  ['a row of another request cut short', { d: [1] }],
  ['a row cut short twice', { d: [0, 0] }],
];
for (const [name, change] of badResults) {
  Result(`a result with ${name} is FRAME_INVALID`, () => {
    const header = { e: [1], q: 0, r: 0, n: 1, w: 0, ...change };
    const message = encodeFrame('result', 1, header, new Uint8Array(8));
    throwsCode(() => parseResult(decodeFrame(message), 2), 'FRAME_INVALID', 'result');
  });
}

Result.run();

const Errors = suite('error');
const busyHex = `4f 15 2600 07000000
  83 a4 636f6465 a4 42555359  a7 6d657373616765 a4 66756c6c  ac 72657472794166746572 4d73 0d 0000`;
const closingHex = `4f 15 1e00 00000000
  82 a4 636f6465 ac 554e415554484f52495a4544  a7 6d657373616765 a2 6e6f 0000`;

Errors('an error with a retry has these bytes, the retry rounded up', () => {
  isHex(encodeError(7, new OfframpError('BUSY', 'full', { retryAfterMs: 12.1 })), busyHex);
  const expected = { id: 7, code: 'BUSY', message: 'full', retryAfterMs: 13 };
  assert.equal(parseError(decodeFrame(bytes(busyHex))), expected);
});

Errors('an error of the connection has id 0 and these bytes', () => {
  isHex(encodeError(0, new OfframpError('UNAUTHORIZED', 'no')), closingHex);
  const expected = { id: 0, code: 'UNAUTHORIZED', message: 'no', retryAfterMs: undefined };
  assert.equal(parseError(decodeFrame(bytes(closingHex))), expected);
});

Errors('an unknown code of a newer peer becomes INTERNAL and keeps its words', () => {
  const header = { code: 'FROM_THE_FUTURE', message: 'new words', retryAfterMs: 5 };
  const reply = parseError(decodeFrame(encodeFrame('error', 3, header)));
  assert.equal(reply, {
    id: 3,
    code: 'INTERNAL',
    message: 'FROM_THE_FUTURE: new words',
    retryAfterMs: 5,
  });
});

Errors('the name of an inherited property is not a code', () => {
  for (const code of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    assert.is(parseError(decodeFrame(encodeFrame('error', 3, { code, message: '' }))).code, 'INTERNAL');
  }
});

Errors('whatever was thrown, the other side can read it', () => {
  const retries = [0, -5, 0.2, 3_600_001, 2 ** 40, Number.POSITIVE_INFINITY, Number.NaN];
  for (const retryAfterMs of retries) {
    const message = encodeError(1, new OfframpError('BUSY', 'x'.repeat(4000), { retryAfterMs }));
    const reply = parseError(decodeFrame(message));
    assert.is(reply.code, 'BUSY', `retry after ${retryAfterMs}`);
    assert.is(reply.message.length, 512);
  }
});

Errors('an error without a code is FRAME_INVALID', () => {
  throwsCode(() => parseError(decodeFrame(encodeFrame('error', 1, { message: 'x' }))), 'FRAME_INVALID');
  const long = encodeFrame('error', 1, { code: 'BUSY', message: 'x'.repeat(2049) });
  throwsCode(() => parseError(decodeFrame(long)), 'FRAME_INVALID');
});

Errors.run();
