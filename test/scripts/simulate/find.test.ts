/** Planning questions, and what they change in a link. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { meanBitsPerSecond, OneWay, parseLink, type Rate } from '../../../scripts/links/index.ts';
import { projectFolder } from '../../../scripts/project.ts';
import { brokenBy } from '../../../scripts/simulate/find/criteria.ts';
import {
  answerWords,
  findAnswers,
  parseScenario,
  prepareScenario,
  type Question,
  questionHint,
  questionOf,
  Tally,
  withSweep,
  withUplink,
} from '../../../scripts/simulate/index.ts';
import { OfframpError } from '../../../shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-find-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'mine.json');

const base = {
  ...{ name: 'mine', bundle: 'b-lenet-mnist', seconds: 6, warmUpSeconds: 1, budgetMs: 500 },
  arrivals: { kind: 'poisson', imagesPerSecond: 10 },
  links: ['wifi-good'],
  linkStarts: 'apart',
  policies: [{ name: 'picture', cut: 0 }],
  cloud: { executors: 1, segments: Array(2).fill({ fixedMs: 4, perRowMs: 4 }) },
};

async function find(question: Partial<Question>, change: object = {}, jobs = 1) {
  const scenario = parseScenario(JSON.stringify({ ...base, ...change }), file);
  const place = { file, dataFolder: undefined };
  const prepared = await prepareScenario(scenario, place);
  const asked: Question = { sought: 'devices', criteria: { p95Ms: 100 }, most: 1000, ...question };
  const answers = await withSweep({ prepared, place, jobs }, (run) =>
    findAnswers(prepared, asked, run, () => {}),
  );
  return { answers, words: answerWords(asked, answers) };
}

const Find = suite('a planning question');

Find('for devices is answered by the fleet before the one that breaks', async () => {
  const question = { criteria: { p95Ms: 100, miss: 0.05 } };
  const { answers, words } = await find(question);
  const [answer] = answers;
  assert.is(answer?.outcome, 'found');
  assert.is(answer?.value, answer?.kept?.run.devices);
  assert.equal(answer?.kept?.broken, []);
  assert.ok((answer?.broke?.broken.length ?? 0) > 0);
  // Two segments of 4 ms a row at 10 images a second: 25 devices with all, some more as most leave at the first exit.
  assert.ok((answer?.value ?? 0) >= 8 && (answer?.value ?? 0) < 60, `${answer?.value} devices`);
  assert.ok((answer?.broke?.value ?? 0) <= Math.max((answer?.value ?? 0) + 1, 1.01 * (answer?.value ?? 0)));
  assert.ok((answer?.kept?.run.latencyMs.p95.interval[1] ?? 0) <= 100);
  assert.match(words, /most devices for p95 at most 100 ms, at most 5\.00 % late or degraded/);
});

Find('counts enough images in small fleets for the interval not to decide', async () => {
  const { answers } = await find({ criteria: { miss: 0.01 }, most: 1 });
  const [answer] = answers;
  assert.is(answer?.outcome, 'always');
  assert.ok((answer?.kept?.run.images ?? 0) > 1500, `${answer?.kept?.run.images} images`);
});

Find('that not even one device keeps is told so', async () => {
  const { answers, words } = await find({ criteria: { p95Ms: 1 } });
  const [answer] = answers;
  assert.is(answer?.outcome, 'never');
  assert.is(answer?.value, undefined);
  assert.is(answer?.runs, 1);
  assert.match(words, /not even 1 .*p95 up to/);
});

Find('that the largest fleet keeps is told so, the same in threads', async () => {
  const question = { criteria: { p95Ms: 500 }, most: 4 };
  const { answers, words } = await find(question);
  assert.equal((await find(question, {}, 2)).answers, answers);
  assert.is(answers[0]?.outcome, 'always');
  assert.is(answers[0]?.value, 4);
  assert.match(words, /4 or more/);
});

Find('for bandwidth is answered for every fleet, policy and link', async () => {
  const policies = [
    { name: 'picture', cut: 0 },
    { name: 'device', cut: 'all' },
  ];
  const links = ['up=0.2,down=0.2,rtt=5'];
  const criteria = { accuracy: 0.95, p95Ms: 60 };
  const change = { policies, links, devices: [1, 2], cloud: { executors: 1 } };
  const { answers, words } = await find({ sought: 'bandwidth', criteria, most: 50 }, change);
  assert.equal(
    answers.map(({ devices, policy }) => [devices, policy]),
    [1, 2].flatMap((devices) => policies.map(({ name }) => [devices, name])),
  );
  for (const { policy, outcome, value = 0, kept, broke } of answers) {
    assert.is(outcome, policy === 'device' ? 'always' : 'found');
    if (policy === 'device') continue;
    // A digit's request of 300 bytes within some 40 ms.
    assert.ok(value > 0.02 && value < 2, `${value} Mbit/s`);
    assert.ok((broke?.value ?? 0) < value && 1.02 * (broke?.value ?? 0) > value);
    assert.is(kept?.value, value);
  }
  assert.match(words, /0\.00100 or less/);
});

for (const [what, options] of [
  ['criteria without a question', { p95: 100 }],
  ['a bound without a question', { most: 100 }],
  ['a question without criteria', { find: 'devices' }],
  ['no miss ever', { find: 'devices', miss: 0 }],
] as const) {
  Find(`of ${what} is refused`, () => {
    assert.throws(
      () => questionOf(options),
      (thrown: unknown) => thrown instanceof OfframpError && thrown.code === 'CONFIG_INVALID',
    );
  });
}

Find('is none where nothing is asked, and has bounds of its own', () => {
  assert.is(questionOf({}), undefined);
  assert.equal(questionOf({ find: 'devices', p95: 5 }), {
    ...{ sought: 'devices', criteria: { p95Ms: 5 }, most: 100_000 },
  });
  assert.equal(questionOf({ find: 'bandwidth', accuracy: 0.9, miss: 0.1, most: 7 }), {
    ...{ sought: 'bandwidth', criteria: { accuracy: 0.9, miss: 0.1 }, most: 7 },
  });
});

Find('about a p95 that the budget keeps anyway has a hint', () => {
  const question = (criteria: Question['criteria']): Question => ({ sought: 'devices', criteria, most: 9 });
  assert.match(questionHint(question({ p95Ms: 500 }), 500) ?? '', /budget of 500 ms/);
  assert.is(questionHint(question({ p95Ms: 499 }), 500), undefined);
  assert.is(questionHint(question({ p95Ms: 500, miss: 0.1 }), 500), undefined);
  assert.is(questionHint(question({ accuracy: 0.9 }), 500), undefined);
});

Find('is put on the command line, its answer printed as JSON', () => {
  writeFileSync(file, JSON.stringify(base));
  const command = ['simulate', '--scenario', file, '--jobs', '1', '--json'];
  const offramp = (...more: readonly string[]) =>
    spawnSync(process.execPath, [join(projectFolder, 'scripts', 'offramp.mjs'), ...command, ...more], {
      encoding: 'utf8',
    });
  const { stdout, status, stderr } = offramp('--find', 'devices', '--p95', '500', '--most', '2');
  assert.is(status, 0, stderr);
  assert.match(stderr, /within the budget of 500 ms by themselves/);
  const { question, answers } = JSON.parse(stdout);
  assert.equal(question, { sought: 'devices', criteria: { p95Ms: 500 }, most: 2 });
  assert.is(answers[0].outcome, 'always');
  assert.is(offramp('--p95', '500').status, 1);
});

Find.run();

const Criteria = suite('criteria');

/** A run of so many images that take so long, some of them degraded or wrong. */
function figures({ images = 1000, ms = 50, degraded = 0, wrong = 0, refused = 0 }) {
  const tally = new Tally({ fromMs: 0, untilMs: 1000, budgetMs: 200 });
  for (let image = 0; image < images; image++) {
    tally.add({
      ...{ arrivedAtMs: image % 1000, latencyMs: ms, route: 'exit', isRight: image >= wrong },
      ...{ degraded: image < degraded, reason: undefined, bytesSent: 0, plan: 'one' },
    });
  }
  for (let image = 0; image < refused; image++) tally.refuse(0);
  return tally.figures();
}

Criteria('hold only when the whole interval does', () => {
  assert.equal(brokenBy({ p95Ms: 50, accuracy: 0.9, miss: 0.02 }, figures({ wrong: 80, degraded: 10 })), []);
  // 9.5 % of 1000 images: the share itself would do.
  assert.match(brokenBy({ accuracy: 0.9 }, figures({ wrong: 95 })).join(), /right from 88\.5/);
  assert.match(brokenBy({ miss: 0.02 }, figures({ degraded: 19 })).join(), /missed up to 2\.9/);
  assert.match(brokenBy({ p95Ms: 49 }, figures({})).join(), /p95 up to 50\.00 ms/);
});

Criteria('count late answers as missed, degraded or not, and each once', () => {
  const late = figures({ ms: 221, degraded: 500 });
  assert.is(late.missed.share, 1);
  assert.is(figures({ degraded: 500 }).missed.share, 0.5);
  assert.is(figures({ ms: 219 }).missed.share, 0);
});

Criteria('never hold where images are refused, or none come', () => {
  assert.equal(brokenBy({ p95Ms: 1000 }, figures({ refused: 3 })), ['3 images refused']);
  assert.ok(brokenBy({ miss: 0.5 }, figures({ images: 0 })).includes('no images'));
});

Criteria.run();

const Links = suite('a link with another uplink');
const steps: Rate = {
  ...{ kind: 'steps', lengthMs: 3000 },
  steps: [
    { fromMs: 0, bitsPerSecond: 4e6 },
    { fromMs: 1000, bitsPerSecond: 0 },
    { fromMs: 2000, bitsPerSecond: 2e6 },
  ],
};

Links('has that rate, its own share of it downwards, and all else as it was', () => {
  const lte = parseLink('lte', () => '');
  const changed = withUplink(lte, 3);
  assert.is(meanBitsPerSecond(changed.up.rate), 3e6);
  // 6 up and 12 down.
  assert.is(meanBitsPerSecond(changed.down.rate), 6e6);
  const { up, down, ...rest } = changed;
  assert.equal({ ...up, rate: lte.up.rate }, lte.up);
  assert.equal({ ...down, rate: lte.down.rate }, lte.down);
  assert.equal(rest, { name: lte.name, source: lte.source, outages: lte.outages });
});

Links('keeps the shape of a trace', () => {
  const lte = parseLink('lte', () => '');
  const { up } = withUplink({ ...lte, up: { ...lte.up, rate: steps } }, 1);
  assert.equal(up.rate, {
    ...{ kind: 'steps', lengthMs: 3000 },
    steps: [
      { fromMs: 0, bitsPerSecond: 2e6 },
      { fromMs: 1000, bitsPerSecond: 0 },
      { fromMs: 2000, bitsPerSecond: 1e6 },
    ],
  });
});

Links('takes packets of a recording for the rate that they make, with its holes', () => {
  const lte = parseLink('lte', () => '');
  // A packet each 4 ms, 3 Mbit/s, but for a hole from 400 to 800 ms.
  const atMs = Float64Array.from({ length: 250 }, (_, index) => 4 * (index + 1)).filter(
    (ms) => ms <= 400 || ms > 800,
  );
  const recorded = {
    ...lte.up,
    jitterMs: 0,
    lossShare: 0,
    rate: { kind: 'opportunities', atMs, lengthMs: 1000 },
  };
  const own = { ...lte, up: recorded } as typeof lte;
  const mean = meanBitsPerSecond(own.up.rate);
  for (const factor of [0.5, 1, 100]) {
    const { up } = withUplink(own, (factor * mean) / 1e6);
    assert.ok(Math.abs(meanBitsPerSecond(up.rate) / (factor * mean) - 1) < 1e-9);
    const way = new OneWay(up, [], () => 0.5);
    const leftMs = way.send(1000, 500) - up.delayMs;
    assert.ok(leftMs >= 780 && leftMs < 830, `left at ${leftMs} ms, the hole ends at 800`);
  }
});

Links('without an end to its rate has the one that is asked for, both ways', () => {
  const { up, down } = withUplink(
    parseLink('rtt=5', () => ''),
    2,
  );
  assert.equal([meanBitsPerSecond(up.rate), meanBitsPerSecond(down.rate)], [2e6, 2e6]);
});

Links.run();
