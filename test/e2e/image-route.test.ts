/** The image itself is sent: the same labels as by any other way, and an answer in time whatever becomes of the cloud. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dataFolder, skip } from '../support/data.ts';
import { checkMacs, checkNothingMoved, evaluate, manifestOf } from './evaluations.ts';
import {
  classify,
  classifyNamed,
  countWays,
  inLanes,
  type JsonAnswer,
  offloadingBundle,
  pictures,
  samples,
  temporaryFolder,
} from './images.ts';
import {
  cleanUp,
  committedBundle,
  connected,
  note,
  runCommand,
  type Server,
  sleep,
  startPair,
  startServer,
  waitUntil,
} from './support.ts';

const images = samples(120);
const files = await pictures(images);
const fileOf = (index: number) => files[index] ?? new Uint8Array(0);

async function startEdge(cloud: Server, bundle: string, args: readonly string[]): Promise<Server> {
  const edge = await startServer('edge', ['--bundle', bundle, '--cloud', cloud.wsUrl, ...args]);
  await waitUntil(() => connected(edge), 'the edge to connect');
  return edge;
}

/** Has every image answered, in their order. */
async function answersOf(ask: (index: number) => Promise<JsonAnswer>): Promise<JsonAnswer[]> {
  const answers: JsonAnswer[] = [];
  await inLanes(8, images.count, async (index) => {
    answers[index] = await ask(index);
  });
  return answers;
}

const imageRoute = suite('the image is sent');
imageRoute.after.each(cleanUp);

imageRoute(
  'as pixels or as PNG it gets the label that it gets at cut 1 and on the device alone',
  async () => {
    const bundle = committedBundle;
    const cloud = await startServer('cloud', ['--bundle', bundle]);
    const generous = ['--budget-ms', '20000'];
    const sends = await startEdge(cloud, bundle, ['--cut', '0', ...generous]);
    const splits = await startEdge(cloud, bundle, ['--cut', '1', ...generous]);
    const alone = await startServer('edge', ['--bundle', bundle, ...generous]);
    const ways = {
      pixels: await answersOf((index) => classify(sends, images.image(index))),
      png: await answersOf((index) => classifyNamed(sends, `image ${index}`, fileOf(index))),
      features: await answersOf((index) => classify(splits, images.image(index))),
      alone: await answersOf((index) => classifyNamed(alone, `image ${index}`, fileOf(index))),
    };
    for (const [way, answers] of Object.entries(ways)) {
      note(`${way}: ${JSON.stringify(countWays(answers))}`);
      for (const [index, answer] of answers.entries()) {
        const expected = ways.alone[index];
        assert.not(answer.degraded, `${way}, image ${index}: ${answer.reason}`);
        assert.is(answer.label, expected?.label, `${way}, image ${index}`);
        assert.is(answer.exit, expected?.exit, `${way}, image ${index}`);
      }
    }
    for (const [index, answer] of ways.png.entries()) {
      assert.equal([answer.route, ways.pixels[index]?.route], ['image', 'image']);
      // 32 bytes of frame and 8 of WebSocket around the file.
      assert.ok(
        Math.abs(answer.bytesSent - fileOf(index).length - 40) <= 8,
        `${answer.bytesSent} bytes sent`,
      );
      assert.is(answer.stagesMs.prepare, 0, 'the device has decoded it');
    }
    assert.is(await sends.stop(), 0, sends.stderr());
    assert.is(await cloud.stop(), 0, cloud.stderr());
  },
);

imageRoute('offramp classify --cut 0 sends the files that it is given', async () => {
  const cloud = await startServer('cloud', ['--bundle', committedBundle]);
  const file = join(temporaryFolder(), 'digit.png');
  writeFileSync(file, fileOf(5));
  const ask = (cut: string) => runCommand(['classify', '--cut', cut, '--cloud', cloud.wsUrl, '--json', file]);
  const [sent, split] = [await ask('0'), await ask('1')];
  assert.equal([sent.ending, split.ending], [0, 0], sent.stderr + split.stderr);
  const [[answer], [expected]]: [JsonAnswer[], JsonAnswer[]] = [
    JSON.parse(sent.stdout),
    JSON.parse(split.stdout),
  ];
  assert.equal([answer?.route, answer?.label], ['image', expected?.label]);
});

const budgetMs = 600;
/** What a busy machine adds. */
const marginMs = 200;

imageRoute('while the cloud hangs every image is answered by the branch within its budget', async () => {
  const edgeArgs = ['--cut', '0', '--budget-ms', '20000'];
  const { cloud, edge } = await startPair(offloadingBundle(), { edgeArgs });
  const before = await answersOf((index) => classifyNamed(edge, `image ${index}`, fileOf(index)));
  assert.ok(before.every(({ route, degraded }) => route === 'image' && !degraded));
  cloud.child.kill('SIGSTOP');
  const answers: JsonAnswer[] = [];
  await inLanes(8, 40, async (index) => {
    answers[index] = await classify(edge, images.image(index), { budgetMs });
  });
  cloud.child.kill('SIGCONT');
  note(`hanging: ${JSON.stringify(countWays(answers))}`);
  for (const [index, answer] of answers.entries()) {
    assert.equal([answer.route, answer.degraded], ['exit', true], `image ${index}`);
    // Who has waited says so; soon it is known that nothing comes, and nobody waits.
    assert.is(answer.reason, answer.latencyMs > budgetMs / 2 ? 'BUDGET_SPENT' : 'LINK_SLOW');
    assert.ok(answer.latencyMs <= budgetMs + marginMs, `image ${index} took ${answer.latencyMs} ms`);
    assert.is(answer.device?.label, answer.label);
  }
});

imageRoute(
  'while the cloud is gone every image is answered by the branch at once, and sent again later',
  async () => {
    const bundle = offloadingBundle();
    const { cloud, edge } = await startPair(bundle, { edgeArgs: ['--cut', '0', '--budget-ms', '20000'] });
    const answers: JsonAnswer[] = [];
    let outage: Promise<unknown> | undefined;
    const killAndRestart = async () => {
      cloud.child.kill('SIGKILL');
      await cloud.ended;
      await sleep(300);
      await startServer('cloud', ['--bundle', bundle, '--port', String(cloud.port)]);
      await waitUntil(() => connected(edge), 'the edge to find the cloud again', { everyMs: 50 });
    };
    await inLanes(8, 400, async (index) => {
      if (index === 100) outage = killAndRestart();
      if (index >= 300) await outage;
      const place = index % images.count;
      answers[index] = await classifyNamed(edge, `image ${index}`, fileOf(place));
    });
    note(`killed: ${JSON.stringify(countWays(answers))}`);
    assert.is(answers.length, 400);
    assert.ok(
      answers.some(({ degraded }) => degraded),
      'the outage was felt',
    );
    for (const [index, answer] of answers.entries()) {
      if (answer.degraded) assert.ok(answer.stagesMs.prepare > 0, 'the file is decoded here only then');
      else assert.is(answer.route, 'image', `image ${index}`);
      assert.ok(answer.latencyMs < 20_000, `image ${index} took ${answer.latencyMs} ms`);
    }
    assert.ok(
      answers.slice(300).every(({ route }) => route === 'image'),
      'the cloud answers again',
    );
    assert.is(await edge.stop(), 0);
  },
);

imageRoute(
  'offramp evaluate --cut 0: nothing moves without loss, and what loss costs is named as such',
  async () => {
    const data = dataFolder();
    if (data === undefined) return skip('OFFRAMP_DATA is not set: the evaluation needs MNIST');
    const common = ['--bundle', committedBundle, '--cut', '0', '--limit', '400', '--image-format'];
    const raw = await evaluate(data, [...common, 'raw']);
    const png = await evaluate(data, [...common, 'png']);
    for (const result of [raw, png]) {
      checkNothingMoved(result, 400);
      checkMacs(result, manifestOf(committedBundle), 0);
      assert.equal([result.cut, result.deviceShare, result.offload.images], [0, 0, 400]);
      assert.equal(Object.keys(result.latencyMs), ['image']);
      assert.equal(
        result.exits.map(({ side }) => side),
        ['cloud', 'cloud'],
      );
    }
    assert.ok(png.offload.bytesMean < raw.offload.bytesMean && raw.offload.bytesMean > 784);
    assert.equal([raw.picture, png.picture], [undefined, { format: 'png' }]);
    const jpeg = await evaluate(data, [...common, 'jpeg', '--image-quality', '30']);
    assert.equal(jpeg.picture, { format: 'jpeg', quality: 30 });
    assert.equal([jpeg.placementMismatches, typeof jpeg.pictureDifferences], [undefined, 'number']);
    assert.equal([jpeg.lost, jpeg.degraded], [0, 0]);
  },
);

imageRoute('options that make no sense together are refused', async () => {
  for (const args of [
    ['--cut', '1', '--image-format', 'png'],
    ['--cut', '0', '--image-format', 'png', '--image-quality', '50'],
    ['--cut', '0', '--image-quality', '50'],
  ]) {
    const { ending, stderr } = await runCommand(['evaluate', '--data', '.', ...args]);
    assert.is(ending, 1);
    assert.match(stderr, /^CONFIG_INVALID/);
  }
});

imageRoute.run();
