import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Link, linkJson, OneWay, parseLink, presets } from '../../../scripts/links/index.ts';
import { OfframpError } from '../../../shared/errors.ts';

const files: Readonly<Record<string, string>> = {
  'drive.up': '0\n10\n20\n',
  'a #1 drive': '0 1\n1 2\n',
  'walk.csv': 'Time,Down\n0,1000\n1,2000\n',
};

function readFile(file: string): string {
  const content = files[file];
  if (content === undefined) throw new OfframpError('CONFIG_INVALID', `no file ${file}`);
  return content;
}

function parse(spec: string): Link {
  return parseLink(spec, readFile);
}

function refuses(spec: string, ...words: readonly string[]): void {
  try {
    parse(spec);
  } catch (thrown) {
    assert.ok(thrown instanceof OfframpError && thrown.code === 'CONFIG_INVALID', String(thrown));
    for (const word of words) assert.ok(String(thrown).includes(word), String(thrown));
    return;
  }
  assert.unreachable(`took ${spec}`);
}

const Specs = suite('a link in words');

Specs('is a preset by its name', () => {
  const { name, source, up, down, outages } = parse('lte');
  assert.is(name, 'lte');
  assert.match(source, /WebPageTest/);
  assert.equal(up.rate, { kind: 'constant', bitsPerSecond: 6e6 });
  assert.equal(down.rate, { kind: 'constant', bitsPerSecond: 12e6 });
  assert.equal([up.delayMs, down.delayMs, up.lossShare, outages.length], [35, 35, 0.002, 0]);
  // The two together deviate by 10 ms.
  assert.ok(Math.abs(Math.hypot(up.jitterMs, down.jitterMs) - 10) < 1e-9);
  // A quarter of a second of 6 Mbit/s.
  assert.is(up.queueBytes, 187_500);
});

Specs('is figures of both directions', () => {
  const link = parse('rtt=70, up=6,down=12,jitter=10,loss=0.002,queue=50000');
  const { up, down } = parse('lte');
  assert.equal(link.up, { ...up, queueBytes: 50_000 });
  assert.equal(link.down, { ...down, queueBytes: 50_000 });
});

Specs('has no limit, jitter, loss or outage that nobody has said', () => {
  const { up, down, outages } = parse('rtt=5');
  assert.equal([up.delayMs, up.jitterMs, up.lossShare, outages], [2.5, 0, 0, []]);
  assert.equal(up.rate, { kind: 'constant', bitsPerSecond: Number.POSITIVE_INFINITY });
  assert.equal(down, up);
});

Specs('is a preset with changes', () => {
  const link = parse('lte,loss=0,up=1,outage=10+5/30,outage=3+0.5');
  assert.equal([link.up.lossShare, link.up.delayMs], [0, 35]);
  assert.equal(link.up.rate, { kind: 'constant', bitsPerSecond: 1e6 });
  assert.equal(link.down.rate, { kind: 'constant', bitsPerSecond: 12e6 });
  assert.equal(link.outages, [
    { atMs: 10_000, lastsMs: 5000, everyMs: 30_000 },
    { atMs: 3000, lastsMs: 500 },
  ]);
  assert.match(link.source, /lte, changed/);
});

Specs('takes traces from files, with 40 ms where nothing is said of the round trip', () => {
  const link = parse('up=drive.up,down=a #1 drive');
  assert.equal(link.up.rate, { kind: 'opportunities', atMs: Float64Array.of(0, 10, 20), lengthMs: 20 });
  assert.equal(link.down.rate, { kind: 'steps', steps: [{ fromMs: 0, bitsPerSecond: 2e6 }], lengthMs: 1000 });
  assert.equal([link.up.delayMs, link.down.delayMs], [20, 20]);
  assert.is(link.source, 'recorded: up drive.up, down a #1 drive');
  assert.is(parse('up=drive.up,rtt=10').up.delayMs, 5);
  assert.is(parse('lte,up=drive.up').up.delayMs, 35);
});

Specs('says behind a file how it is written', () => {
  assert.equal(parse('down=walk.csv#Time:Down').down.rate, {
    kind: 'steps',
    steps: [{ fromMs: 0, bitsPerSecond: 2e6 }],
    lengthMs: 1000,
  });
  assert.is(parse('up=drive.up#mahimahi').up.rate.kind, 'opportunities');
  refuses('up=drive.up#columns', 'drive.up, line 1', 'two numbers');
  refuses('down=walk.csv', 'walk.csv, line 1', 'FILE#TIME:RATE');
  refuses('down=walk.csv#Time:Up', '"Up"', 'Time, Down');
});

Specs('that is none is refused by setting and value', () => {
  refuses('', '""', 'ideal-lan', 'rtt=70');
  refuses('LTE', '"LTE"');
  refuses('up=6,down=12', 'rtt', 'nothing');
  refuses('rtt=fast', 'rtt: got fast');
  refuses('rtt=-1', 'rtt: got -1');
  refuses('rtt=', 'rtt: got nothing');
  refuses('rtt=5,rtt=6', 'rtt', '2 of them');
  refuses('rtt=5,speed=6', 'got speed', 'rtt, up, down');
  refuses('rtt=5,lte', 'got lte');
  refuses('rtt=5,up=0', 'up: got 0', 'above 0');
  refuses('rtt=5,up=-3', 'up: got -3');
  refuses('rtt=5,up=none', 'no file none');
  refuses('rtt=5,loss=2', 'loss: got 2', '0 to 0.5');
  refuses('rtt=5,queue=10', 'queue: got 10');
  refuses('rtt=5,outage=5', 'outage: got 5', 'AT+LASTS');
  refuses('rtt=5,outage=5+0', 'outage: got 5+0');
  refuses('rtt=5,outage=5+9/9', 'after more seconds than it lasts');
  refuses('rtt=5,outage=0+5/10,outage=5+5/10', 'outages leave no gap');
  refuses(`rtt=5${',outage=1+1'.repeat(17)}`, 'at most 16');
});

Specs('is a link that takes bytes or a refusal, whatever is written', () => {
  const value = fc.oneof(
    fc.constantFrom('1', '0', '1e9', '-', '5+2', '5+2/9', 'drive.up', 'Infinity', 'NaN'),
    fc.string(),
  );
  const key = fc.constantFrom('rtt', 'up', 'down', 'jitter', 'loss', 'outage', 'queue', 'x');
  const setting = fc.tuple(key, value).map(([name, text]) => `${name}=${text}`);
  const spec = fc.array(fc.oneof(setting, fc.constantFrom('lte', 'outage')), { maxLength: 4 });
  let taken = 0;
  fc.assert(
    fc.property(spec, (parts) => {
      try {
        const { up, outages } = parse(parts.join(','));
        taken++;
        assert.ok(Number.isFinite(new OneWay(up, outages, Math.random).send(10, 0)));
      } catch (thrown) {
        if (!(thrown instanceof OfframpError) || thrown.code !== 'CONFIG_INVALID') throw thrown;
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(taken > 20, `${taken} were links`);
});

Specs.run();

const Presets = suite('presets');

Presets('have names of their own, a source, and get a message through', () => {
  assert.is(new Set(presets.map(({ name }) => name)).size, presets.length);
  for (const { name, source, rttMs } of presets) {
    const link = parse(name);
    assert.ok(source.length > 10);
    assert.is(link.up.delayMs + link.down.delayMs, rttMs);
    const arrivesMs = new OneWay({ ...link.up, jitterMs: 0 }, link.outages, () => 0.5).send(100, 0);
    assert.ok(arrivesMs > rttMs / 2 && arrivesMs < rttMs / 2 + 10, `${name}: ${arrivesMs}`);
  }
});

Presets('are written as JSON that says all there is', () => {
  const link = parse('up=drive.up');
  const copy = JSON.parse(JSON.stringify(linkJson(link)));
  assert.equal(copy.up, { ...link.up, rate: { kind: 'opportunities', atMs: [0, 10, 20], lengthMs: 20 } });
  assert.equal(copy.down.rate, { kind: 'constant', bitsPerSecond: null });
  assert.equal(JSON.parse(JSON.stringify(linkJson(parse('outage')))), parse('outage'));
});

Presets.run();
