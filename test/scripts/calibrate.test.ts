import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { calibrate, partsOf } from '../../scripts/calibrate/calibrate.ts';
import { guaranteeWords } from '../../scripts/calibrate/guarantee.ts';
import { withCalibration, writeCalibration } from '../../scripts/calibrate/manifest-edit.ts';
import { seededRandom, shuffle } from '../../scripts/calibrate/random.ts';
import { type CalibrationOptions, parseRequest } from '../../scripts/calibrate/request.ts';
import { checkSplits, judgeRisks } from '../../scripts/calibrate/splits.ts';
import { digestOf, openBundle, parseManifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { jsonBytes, makeFixture } from '../bundle/fixture.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const original = join(root, 'models/b-lenet-mnist');
const folder = mkdtempSync(join(tmpdir(), 'offramp-calibrate-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const copy = (name: string): string => {
  const to = join(folder, name);
  cpSync(original, to, { recursive: true });
  return to;
};
const untouched = copy('untouched');
const bundle = await openBundle(bundleFolder(untouched), { segments: [] });
const records = await bundle.records('calibration');

interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function offramp(...args: readonly string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [join(root, 'scripts/offramp.mjs'), 'calibrate', ...args]);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, ...output })));
}

async function rejectsCode(promise: Promise<unknown>, code: string, part: string): Promise<void> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(thrown, OfframpError);
  assert.is(thrown instanceof OfframpError ? thrown.code : '', code);
  assert.ok(String(thrown).includes(part), String(thrown));
}

function refuses(options: CalibrationOptions, part: string): void {
  assert.throws(
    () => parseRequest(options),
    (error: unknown) =>
      error instanceof OfframpError && error.code === 'CONFIG_INVALID' && error.message.includes(part),
  );
}

/** Counts with the exit rule itself what temperatures and thresholds do on the calibration split. */
function replay(temperatures: readonly number[], thresholds: readonly number[]) {
  const exits = bundle.manifest.exits.length;
  let right = 0;
  let agreed = 0;
  let early = 0;
  for (let image = 0; image < records.images; image++) {
    const decisions = Array.from({ length: exits }, (_, exit) => {
      const question = { temperature: temperatures[exit] ?? 1, threshold: thresholds[exit] };
      return decideExit({ logits: records.logits(exit, image), ...question });
    });
    const taken = decisions.findIndex(({ confident }) => confident);
    if (taken === 0) early++;
    if (decisions[taken]?.label === records.labels[image]) right++;
    if (decisions[taken]?.label === decisions.at(-1)?.label) agreed++;
  }
  const share = (count: number) => count / records.images;
  return { deviceShare: share(early), accuracy: share(right), agreement: share(agreed) };
}

const Request = suite('calibration request');

Request('of agreement has defaults for everything', () => {
  assert.equal(parseRequest({ target: 'agreement' }), {
    target: { kind: 'agreement', value: 0.99 },
    goal: { by: 'risk', loss: 'disagreement', question: { method: 'ltt', epsilon: 0.01, delta: 0.05 } },
  });
});

Request('of accuracy is a plain mean, with delta a risk', () => {
  const plain = parseRequest({ target: 'accuracy', atLeast: 0.99 });
  assert.equal(plain.goal, { by: 'mean', target: { kind: 'accuracy', atLeast: 0.99 } });
  const bounded = parseRequest({ target: 'accuracy', atLeast: 0.99, delta: 0.1 });
  assert.equal(bounded.goal, {
    by: 'risk',
    loss: 'error',
    question: { method: 'ltt', epsilon: 0.01, delta: 0.1 },
  });
});

Request('is refused when options are missing or do not belong together', () => {
  refuses({ target: 'accuracy' }, '--target accuracy without --at-least');
  refuses({ target: 'mean-cost' }, '--at-most-macs');
  refuses({ target: 'device-share', atLeast: 0.9, epsilon: 0.01 }, '--epsilon with --target device-share');
  refuses({ target: 'agreement', atMostMacs: 5 }, '--at-most-macs with --target agreement');
  refuses({ target: 'agreement', method: 'crc', delta: 0.05 }, '--delta with --method crc');
  refuses({ target: 'accuracy', atLeast: 0.9, method: 'ltt' }, 'without --delta');
  refuses({ target: 'accuracy', atLeast: 0.9, delta: 0.1, method: 'crc' }, 'ucb-wsr or ltt');
});

Request.run();

const Calibrating = suite('calibration');

Calibrating('sets images aside for the temperatures when it promises something', () => {
  const { temperature, threshold } = partsOf(1000, 'risk');
  assert.equal([temperature.length, threshold.length], [200, 800]);
  assert.is(new Set([...temperature, ...threshold]).size, 1000);
  assert.equal(partsOf(1000, 'risk'), partsOf(1000, 'risk'));
});

for (const method of ['ucb-wsr', 'ltt', 'crc'] as const) {
  Calibrating(
    `by ${method} keeps the risk within the allowed and measures what the exit rule does`,
    async () => {
      const request = parseRequest({ target: 'agreement', epsilon: 0.01, method });
      const { chosen, temperatures, risk, images } = await calibrate(bundle, request, 1);
      assert.is(images, records.images);
      const { deviceShare, accuracy, agreement } = chosen;
      assert.equal({ deviceShare, accuracy, agreement }, replay(temperatures, chosen.thresholds));
      assert.ok(chosen.deviceShare > 0);
      assert.ok((risk?.measured ?? 1) <= 0.01);
      if (method === 'ucb-wsr') assert.ok((risk?.upperBound ?? 1) <= 0.01);
      if (method === 'ltt') assert.ok((risk?.pValue ?? 1) <= 0.05);
      assert.is(risk?.delta, method === 'crc' ? undefined : 0.05);
    },
  );
}

Calibrating('dares more for a larger epsilon and a larger delta', async () => {
  const shareAt = async (options: Omit<CalibrationOptions, 'target'>) => {
    const request = parseRequest({ target: 'agreement', ...options });
    return (await calibrate(bundle, request, 1)).chosen.deviceShare;
  };
  const [strict, plain, lax] = [
    await shareAt({ epsilon: 0.005, delta: 0.01 }),
    await shareAt({ epsilon: 0.005 }),
    await shareAt({ epsilon: 0.05 }),
  ];
  assert.ok(strict <= plain && plain <= lax && strict < lax, `${strict}, ${plain}, ${lax}`);
});

Calibrating('reaches a device share and a cost as plain means', async () => {
  const share = await calibrate(bundle, parseRequest({ target: 'device-share', atLeast: 0.8 }), 1);
  assert.ok(share.chosen.deviceShare >= 0.8 && share.chosen.deviceShare < 0.9);
  assert.ok(share.guarantee.startsWith('none: '));
  const [everything, , , nothing] = share.points.map(({ meanMacs }) => meanMacs);
  const atMostMacs = Math.ceil(((everything ?? 0) + (nothing ?? 0)) / 2);
  const cost = await calibrate(bundle, parseRequest({ target: 'mean-cost', atMostMacs }), 1);
  assert.ok(cost.chosen.meanMacs <= atMostMacs);
});

Calibrating('that cannot reach its target says what was best', async () => {
  const attempt = (options: CalibrationOptions) => calibrate(bundle, parseRequest(options), 1);
  await rejectsCode(attempt({ target: 'accuracy', atLeast: 1 }), 'TARGET_UNREACHABLE', 'the best that any');
  await rejectsCode(
    attempt({ target: 'mean-cost', atMostMacs: 1 }),
    'TARGET_UNREACHABLE',
    'the least that any',
  );
  for (const method of ['ucb-wsr', 'ltt', 'crc'] as const) {
    await rejectsCode(
      attempt({ target: 'agreement', epsilon: 1e-5, method }),
      'TARGET_UNREACHABLE',
      'can show',
    );
  }
  const certain = { target: 'accuracy', atLeast: 0.9999, delta: 0.05, method: 'ltt' } as const;
  await rejectsCode(attempt(certain), 'TARGET_UNREACHABLE', 'expected');
});

Calibrating(
  'of three exits has one threshold for both branches and knows which exits the device has',
  async () => {
    const { readFile, manifest } = await makeFixture();
    const three = await openBundle(readFile, { segments: [] });
    const request = parseRequest({ target: 'device-share', atLeast: 0 });
    const { chosen, temperatures, exits } = await calibrate(three, request, 2);
    assert.equal(exits, ['branch', 'middle', 'final']);
    assert.is(temperatures.length, 3);
    assert.equal(chosen.thresholds, [0, 0]);
    await rejectsCode(calibrate(three, request, 3), 'CONFIG_INVALID', '--cut: got 3, expected 1 to 2');
    const calibration = await calibrate(three, request, 2);
    const edited = withCalibration(manifest, calibration, '2027-01-31');
    assert.equal(parseManifest(jsonBytes(edited)), edited);
    assert.is(edited.exits[2]?.threshold, undefined);
  },
);

Calibrating('puts the promise into words that name its figures', () => {
  const { goal } = parseRequest({ target: 'agreement', epsilon: 0.005, delta: 0.1, loss: 'gap' });
  const words = guaranteeWords(goal, 1234);
  for (const part of ['90 %', '0.5 %', 'ltt', '1234', 'last exit would be right', 'independently']) {
    assert.ok(words.includes(part), `${part} in: ${words}`);
  }
});

Calibrating.run();

const Writing = suite('calibration in the manifest');

Writing('changes temperatures, thresholds and the calibration part alone', async () => {
  const to = copy('written');
  const before = parseManifest(readFileSync(join(to, 'manifest.json')));
  const calibration = await calibrate(bundle, parseRequest({ target: 'agreement' }), 1);
  const digest = await writeCalibration(to, calibration, '2027-01-31');
  const bytes = readFileSync(join(to, 'manifest.json'));
  const after = parseManifest(bytes);
  assert.is(await digestOf(bytes), digest);
  assert.is.not(digest, bundle.digest);
  const exits = before.exits.map((exit, index) => ({
    ...exit,
    temperature: calibration.temperatures[index],
    ...(index === 0 ? { threshold: calibration.chosen.thresholds[0] } : {}),
  }));
  assert.equal(after, { ...before, exits, calibration: after.calibration });
  assert.equal(Object.keys(after), Object.keys(before));
  const { date, target, risk, guarantee, measured } = after.calibration;
  assert.is(date, '2027-01-31');
  assert.equal(target, { kind: 'agreement', value: 0.99 });
  assert.equal([risk?.epsilon, risk?.delta, risk?.method], [0.01, 0.05, 'ltt']);
  assert.is(guarantee, calibration.guarantee);
  assert.is(measured.deviceShare, calibration.chosen.deviceShare);
  assert.equal(readdirSync(to).sort(), readdirSync(untouched).sort());
});

Writing('is refused when the manifest is no longer the one that was read', async () => {
  const to = copy('overtaken');
  const calibration = await calibrate(bundle, parseRequest({ target: 'agreement' }), 1);
  const other = `${readFileSync(join(to, 'manifest.json'), 'utf8')}\n`;
  writeFileSync(join(to, 'manifest.json'), other);
  await rejectsCode(writeCalibration(to, calibration, '2027-01-31'), 'BUNDLE_DIGEST_MISMATCH', 'it changed');
  assert.is(readFileSync(join(to, 'manifest.json'), 'utf8'), other);
});

Writing('checks the calibration part across its fields', async () => {
  const { manifest } = await makeFixture();
  const risk = { loss: 'disagreement', epsilon: 0.01, delta: 0.05, method: 'ltt', images: 4, measured: 0 };
  const refusesPart = (part: object, path: string) => {
    const calibration = { ...manifest.calibration, ...part };
    assert.throws(
      () => parseManifest(jsonBytes({ ...manifest, calibration })),
      (error: unknown) => error instanceof OfframpError && error.message.includes(`calibration.${path}: got`),
    );
  };
  parseManifest(jsonBytes({ ...manifest, calibration: { ...manifest.calibration, risk, cut: 2 } }));
  refusesPart({ target: { kind: 'accuracy', value: 1.5 } }, 'target.value');
  refusesPart({ cut: 4 }, 'cut');
  refusesPart({ risk: { ...risk, delta: undefined } }, 'risk.delta');
  refusesPart({ risk: { ...risk, method: 'crc' } }, 'risk.delta');
  refusesPart({ risk: { ...risk, images: 6 } }, 'risk.images');
  refusesPart({ risk: { ...risk, epsilon: 0 } }, 'risk.epsilon');
  refusesPart(
    { measured: { ...manifest.calibration.measured, exitShares: [1] } },
    'measured.exitShares.length',
  );
});

Writing.run();

const Checking = suite('check of the promise');

for (const method of ['ucb-wsr', 'ltt', 'crc'] as const) {
  Checking(`holds for ${method} on random splits of the records, which a seed repeats`, async () => {
    const { goal } = parseRequest({ target: 'agreement', epsilon: 0.02, method });
    let done = 0;
    const options = { splits: 200, seed: 3, onProgress: () => done++ };
    const result = await checkSplits(bundle, goal, 1, options);
    assert.ok(result.holds, JSON.stringify(result));
    assert.is(done, 200);
    assert.ok(result.meanDeviceShare > 0);
    assert.ok(result.heldOut >= 6 * result.calibrated);
    assert.equal(await checkSplits(bundle, goal, 1, options), result);
  });
}

Checking('fails when splits exceed epsilon more often than delta and three standard errors allow', () => {
  const { goal } = parseRequest({ target: 'agreement', epsilon: 0.01, delta: 0.05 });
  if (goal.by === 'mean') throw new Error('agreement is a risk');
  const counts = { calibrated: 10, heldOut: 90, withoutThreshold: 0, meanDeviceShare: 0.5 };
  const verdict = (exceeding: number) => {
    const risks = Array.from({ length: 400 }, (_, split) => (split < exceeding ? 0.011 : 0.01));
    return judgeRisks(risks, goal, counts, { splits: 400, seed: 1 });
  };
  // 400 splits: 20 are delta, and three standard errors of 4.36 are 13.08 more.
  assert.equal([verdict(20).holds, verdict(33).holds, verdict(34).holds], [true, true, false]);
  assert.is(verdict(34).exceeding, 34 / 400);
});

Checking('is refused for a target that promises nothing', async () => {
  const { goal } = parseRequest({ target: 'device-share', atLeast: 0.5 });
  const options = { splits: 1, seed: 1, onProgress() {} };
  await rejectsCode(checkSplits(bundle, goal, 1, options), 'CONFIG_INVALID', 'promises nothing');
});

Checking('shuffles every order alike', () => {
  const random = seededRandom(9);
  const counts = new Map<string, number>();
  for (let run = 0; run < 6000; run++) {
    const values = Int32Array.of(1, 2, 3);
    shuffle(values, random);
    counts.set(values.join(''), (counts.get(values.join('')) ?? 0) + 1);
  }
  assert.is(counts.size, 6);
  for (const [order, count] of counts) assert.ok(Math.abs(count - 1000) < 130, `${order}: ${count}`);
});

Checking.run();

const Command = suite('offramp calibrate');

Command('prints the operating points and writes nothing unless told', async () => {
  const before = readFileSync(join(untouched, 'manifest.json'));
  const { status, stdout, stderr } = await offramp('--bundle', untouched);
  assert.is(status, 0, stderr);
  for (const part of [
    'chosen',
    'agreement',
    'MACs',
    'E[D]',
    'Guarantee: with confidence 95 %',
    'no guarantee',
  ]) {
    assert.ok(stdout.includes(part), `${part} in: ${stdout}`);
  }
  assert.ok(stderr.includes('Nothing was written'));
  assert.equal(readFileSync(join(untouched, 'manifest.json')), before);
});

Command('writes what it prints, and the same again byte for byte', async () => {
  const to = copy('command');
  const args = ['--bundle', to, '--method', 'ucb-wsr', '--write', '--json', '--date', '2027-02-28'];
  const first = await offramp(...args);
  assert.is(first.status, 0, first.stderr);
  const bytes = readFileSync(join(to, 'manifest.json'));
  const { written, chosen, temperatures } = JSON.parse(first.stdout);
  assert.equal(written, { date: '2027-02-28', digest: await digestOf(bytes) });
  const manifest = parseManifest(bytes);
  assert.equal(
    manifest.exits.map(({ temperature }) => temperature),
    temperatures,
  );
  assert.is(manifest.exits[0]?.threshold, chosen.thresholds[0]);
  assert.ok(first.stderr.includes('devices and cloud must both get the new manifest'));
  assert.is((await offramp(...args)).status, 0);
  assert.equal(readFileSync(join(to, 'manifest.json')), bytes);
  assert.is(bytes.toString(), `${JSON.stringify(manifest, null, 2)}\n`);
});

Command('ends with 1 and a code for a target out of reach, with 2 for wrong usage', async () => {
  const [reach, mixed, share, day] = await Promise.all([
    offramp('--bundle', untouched, '--target', 'accuracy', '--at-least', '1'),
    offramp('--bundle', untouched, '--check', '--write'),
    offramp('--bundle', untouched, '--epsilon', '1.5'),
    offramp('--bundle', untouched, '--date', '2027-02-30'),
  ]);
  assert.is(reach?.status, 1);
  assert.ok(reach?.stderr.startsWith('TARGET_UNREACHABLE: accuracy: got 1, expected 0.'), reach?.stderr);
  assert.is(mixed?.status, 1);
  assert.is(share?.status, 2);
  assert.is(day?.status, 2);
});

Command('checks the promise', async () => {
  const { status, stdout, stderr } = await offramp(
    '--bundle',
    untouched,
    '--check',
    '--method',
    'ltt',
    '--splits',
    '100',
  );
  assert.is(status, 0, stderr);
  assert.ok(stdout.includes('The promise holds.'), stdout);
  assert.ok(stdout.includes('100 random splits (seed 1)'), stdout);
});

Command.run();
