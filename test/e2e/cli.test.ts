/** The `offramp` command as a person or a script meets it: help, exit codes, what goes to stdout and what to stderr. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inLanes, samples, temporaryFolder } from './images.ts';
import {
  type Command,
  cleanUp,
  descendants,
  isRunning,
  metrics,
  note,
  runCommand,
  startCommand,
  waitUntil,
} from './support.ts';

const images = samples();
const raw = { width: 28, height: 28, channels: 1 as const };

const cli = suite('the command line');
cli.after.each(cleanUp);

cli('help leads with examples, for every command', async () => {
  const commands = [[], ['cloud'], ['edge'], ['classify'], ['evaluate'], ['data'], ['demo']];
  await inLanes(2, commands.length, async (index) => {
    const args = [...(commands[index] ?? []), '--help'];
    const { ending, stdout, stderr } = await runCommand(args);
    assert.is(ending, 0, args.join(' '));
    assert.is(stderr, '', args.join(' '));
    assert.ok(stdout.startsWith('Examples:\n  $ '), `${args.join(' ')}: ${stdout.slice(0, 80)}`);
    assert.match(stdout, 'Usage: offramp');
  });
});

cli('wrong usage ends with 2, says why on stderr and nothing on stdout', async () => {
  const wrong: readonly [args: string[], says: string][] = [
    [['--no-such-option'], "unknown option '--no-such-option'"],
    [['no-such-command'], "unknown command 'no-such-command'"],
    [['cloud', '--port', '65536'], 'Expected a whole number from 0 to 65535'],
    [['edge', '--budget-ms', 'soon'], 'Expected a whole number from 1 to 600000'],
    [['classify'], "missing required argument 'files'"],
    [['demo', '--rate', '0'], 'Expected a whole number from 1 to 100000'],
  ];
  await inLanes(2, wrong.length, async (index) => {
    const [args, says] = wrong[index] ?? [[], ''];
    const { ending, stdout, stderr } = await runCommand(args);
    assert.is(ending, 2, `${args.join(' ')}: ${stderr}`);
    assert.is(stdout, '', args.join(' '));
    assert.ok(stderr.includes(says), `${args.join(' ')}: ${stderr}`);
  });
});

cli('an unknown bundle ends with 1 and names those that are there', async () => {
  const { ending, stdout, stderr } = await runCommand(['classify', '--bundle', 'no-such-bundle', 'a.png']);
  assert.is(ending, 1);
  assert.is(stdout, '');
  assert.ok(stderr.startsWith("BUNDLE_NOT_FOUND: No bundle 'no-such-bundle'"), stderr);
  assert.match(stderr, 'b-lenet-mnist');
});

interface FileJson {
  readonly file: string;
  readonly label?: number;
  readonly className?: string;
  readonly probabilities?: readonly number[];
  readonly route?: string;
  readonly degraded?: boolean;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Writes samples as PNG files, of their own size and larger; gives their paths. */
async function pictureFiles(folder: string): Promise<{ small: string; large: string }> {
  const [small, large] = ['small.png', 'large.png'].map((name) => join(folder, name)) as [string, string];
  await sharp(images.image(3), { raw }).png().toFile(small);
  await sharp(images.image(3), { raw }).resize(280, 280, { kernel: 'nearest' }).png().toFile(large);
  return { small, large };
}

cli('classify prints a table, and with --json the same as JSON, on stdout alone', async () => {
  const { small, large } = await pictureFiles(temporaryFolder());
  const [inWords, inJson] = await Promise.all([
    runCommand(['classify', small, large]),
    runCommand(['classify', '--json', small, large]),
  ]);
  assert.equal([inWords.ending, inWords.stderr], [0, '']);
  assert.equal([inJson.ending, inJson.stderr], [0, '']);
  const answers: FileJson[] = JSON.parse(inJson.stdout);
  assert.equal(
    answers.map(({ file }) => file),
    [small, large],
  );
  const [header = '', rule = '', ...rows] = inWords.stdout.trimEnd().split('\n');
  assert.match(header, /^file +class +p +entropy +exit +route +time +sent$/);
  assert.match(rule, /^[- ]+$/);
  assert.is(rows.length, 2);
  for (const [index, { className, label, probabilities = [], degraded, route }] of answers.entries()) {
    assert.is(className, String(label));
    assert.is(probabilities.length, 10);
    assert.ok(Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-6, 'probabilities add up to 1');
    assert.is(probabilities[label ?? -1], Math.max(...probabilities), 'the label is the likeliest class');
    assert.is(degraded, false, 'without a cloud all segments run here');
    assert.ok(route === 'exit' || route === 'edge-only');
    const cells = (rows[index] ?? '').split(/ {2,}/);
    assert.is(cells[1], className, 'table and JSON agree');
  }
});

cli('classify answers the good ones of several files and ends with 1 for the bad one', async () => {
  const folder = temporaryFolder();
  const { small, large } = await pictureFiles(folder);
  const text = join(folder, 'text.png');
  writeFileSync(text, 'no picture');
  const missing = join(folder, 'missing.png');
  const files = [small, text, missing, large];
  const [inWords, inJson] = await Promise.all([
    runCommand(['classify', ...files]),
    runCommand(['classify', '--json', ...files]),
  ]);
  assert.is(inWords.ending, 1);
  const rows = inWords.stdout.trimEnd().split('\n').slice(2);
  assert.equal(
    rows.map((row) => basename(row.split(/ {2,}/)[0] ?? '')),
    ['small.png', 'large.png'],
  );
  assert.ok(inWords.stderr.includes(`${text}: IMAGE_INVALID: `), inWords.stderr);
  assert.ok(inWords.stderr.includes(`${missing}: IMAGE_MISSING: `), inWords.stderr);
  assert.is(inJson.ending, 1);
  const answers: FileJson[] = JSON.parse(inJson.stdout);
  assert.equal(
    answers.map(({ file, error }) => [file, error?.code]),
    [
      [small, undefined],
      [text, 'IMAGE_INVALID'],
      [missing, 'IMAGE_MISSING'],
      [large, undefined],
    ],
  );
});

interface DemoSummary {
  readonly source: string;
  readonly seconds: number;
  readonly answers: number;
  readonly accuracy: number;
  readonly bytesSent: number;
  readonly webpBytes: number;
  readonly degraded: number;
  readonly failed: number;
  readonly routes: Record<string, { answers: number }>;
}

/** The process ids that a demo says its servers have. */
async function demoPids(demo: Command): Promise<number[]> {
  const said = () => [...demo.stderr().matchAll(/ pid (\d+) /g)].map((match) => Number(match[1]));
  await waitUntil(
    () => said().length === 2 || demo.child.exitCode !== null,
    'the demo to name its processes',
    {
      deadlineMs: 60_000,
    },
  );
  const pids = said();
  assert.is(pids.length, 2, demo.stderr());
  return pids;
}

function assertGone(pids: readonly number[]): void {
  assert.equal(pids.filter(isRunning), [], 'no process is left');
}

cli('demo --once --json answers every image, loses none and leaves no process', async () => {
  const demo = startCommand(['demo', '--once', '--json']);
  const pids = await demoPids(demo);
  assert.is(await demo.ended, 0, demo.stderr());
  const summary: DemoSummary = JSON.parse(demo.stdout());
  note(`demo: ${JSON.stringify({ ...summary, routes: Object.keys(summary.routes) })}`);
  const { answers, failed, routes, bytesSent, webpBytes, accuracy, source } = summary;
  assert.equal([answers, failed], [images.count, 0]);
  assert.is(
    Object.values(routes).reduce((sum, route) => sum + route.answers, 0),
    images.count,
  );
  assert.match(source, 'not MNIST');
  assert.ok(accuracy > 0.5 && accuracy <= 1, `accuracy ${accuracy}`);
  assert.ok(bytesSent > 0 && webpBytes > 0);
  assertGone(pids);
});

/** Answers that a demo's edge agent has given. */
async function demoAnswers(demo: Command): Promise<number> {
  const [, url = ''] = /edge agent +pid \d+ +(\S+)/.exec(demo.stderr()) ?? [];
  const samples = [...(await metrics(url))].filter(([name]) =>
    name.startsWith('offramp_edge_answers_total{'),
  );
  return samples.reduce((sum, [, value]) => sum + value, 0);
}

/** Starts an endless demo, the leader of its process group as a shell makes it, and lets it run for a moment. */
async function runningDemo(): Promise<{ demo: Command; pids: number[] }> {
  const demo = startCommand(['demo', '--rate', '50'], {}, { group: 'own' });
  const pids = await demoPids(demo);
  await waitUntil(async () => (await demoAnswers(demo)) >= 10, 'the first answers', { everyMs: 50 });
  return { demo, pids };
}

cli('Ctrl-C on a running demo prints the summary, ends with 0 and leaves no process', async () => {
  const { demo, pids } = await runningDemo();
  // A terminal signals the whole group in its foreground.
  process.kill(-demo.pid, 'SIGINT');
  assert.is(await demo.ended, 0, demo.stderr());
  assert.match(demo.stdout(), /^\d+ answers in \d+\.\d s/);
  assert.match(demo.stdout(), 'Sent to the cloud: ');
  assert.not.match(demo.stdout(), 'Without an answer');
  assertGone(pids);
});

cli('a demo that is killed takes its servers with it', async () => {
  const { demo, pids } = await runningDemo();
  demo.child.kill('SIGKILL');
  assert.is(await demo.ended, 'SIGKILL');
  await waitUntil(() => !pids.some(isRunning), 'its servers to end');
});

cli('a demo whose edge agent cannot start ends with 1 and leaves no process', async () => {
  const demo = startCommand(['demo', '--once'], { OFFRAMP_EDGE_TOKEN: 'short' });
  let servers: number[] = [];
  await waitUntil(
    () => {
      servers = [...new Set([...servers, ...descendants(demo.pid)])];
      return demo.child.exitCode !== null;
    },
    'the demo to end',
    { deadlineMs: 15_000 },
  );
  assert.is(await demo.ended, 1, demo.stderr());
  assert.match(demo.stderr(), 'CONFIG_INVALID');
  assertGone(servers);
});

cli.run();
