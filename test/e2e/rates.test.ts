/** Devices at several rates on one server, as processes, with one set of weights. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Evaluation } from '../../scripts/evaluate/summary.ts';
import { argmax } from '../../shared/exits/index.ts';
import { parseError } from '../../shared/protocol/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { addRates, filled, openRatedBundle, rates } from '../runtime/rated-bundle.ts';
import { runAlone, segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { dataFolder, skip } from '../support/data.ts';
import { classify, editedBundle, inLanes, type JsonAnswer, samples } from './images.ts';
import { describe, RawClient } from './raw-client.ts';
import { cleanUp, connected, note, runCommand, type Server, startServer, waitUntil } from './support.ts';

const images = samples(120);

/** The committed bundle with rates, whose branch is never confident. */
function ratedBundle(): string {
  return editedBundle((manifest) => {
    addRates(manifest);
    const [branch] = manifest.exits;
    if (branch !== undefined) branch.threshold = 0;
  });
}

/** The label that each image gets at each rate, with nothing of ours but the runner. */
async function expectedLabels(): Promise<ReadonlyMap<number, readonly number[]>> {
  const bundle = await openRatedBundle();
  const pool = await startPool(segmentGraphs(bundle));
  try {
    const pixels = Array.from({ length: images.count }, (_, index) => images.image(index));
    const alone = await runAlone(pool, bundle, pixels);
    const labels = new Map<number, number[]>();
    for (const channels of rates) {
      const own: number[] = [];
      for (const { codes } of alone) {
        const input = filled(codes, channels, bundle);
        const { outputs } = await pool.run(segmentKey(bundle.manifest.id, 1), input, 1);
        own.push(argmax(outputs[0] ?? []));
      }
      labels.set(channels, own);
    }
    return labels;
  } finally {
    await pool.close();
  }
}

async function askAll(edge: Server): Promise<JsonAnswer[]> {
  const answers: JsonAnswer[] = [];
  await inLanes(8, images.count, async (index) => {
    answers[index] = await classify(edge, images.image(index), { budgetMs: 20_000 });
  });
  return answers;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const e2e = suite('rates');
e2e.after.each(cleanUp);

e2e('each device gets the labels of its rate from one server, for fewer bytes at a lower one', async () => {
  const folder = ratedBundle();
  const labels = await expectedLabels();
  const cloud = await startServer('cloud', ['--bundle', folder]);
  const settings = [2, 4, undefined];
  const edges = await Promise.all(
    settings.map((channels) => {
      const rate = channels === undefined ? [] : ['--rate', String(channels)];
      return startServer('edge', ['--bundle', folder, '--cloud', cloud.wsUrl, ...rate]);
    }),
  );
  for (const edge of edges) await waitUntil(() => connected(edge), 'an edge to connect');
  const asked = await Promise.all(edges.map(askAll));
  for (const [device, answers] of asked.entries()) {
    const channels = settings[device] ?? 6;
    for (const [index, answer] of answers.entries()) {
      const { route, degraded, reason, channelsSent, label } = answer;
      assert.equal(
        [route, degraded, channelsSent],
        ['features', false, channels],
        `image ${index}: ${reason}`,
      );
      assert.is(label, labels.get(channels)?.[index], `image ${index} at ${channels} channels`);
    }
  }
  const bytes = asked.map((answers) => mean(answers.map(({ bytesSent }) => bytesSent)));
  const [two = 0, four = 0, all = 0] = bytes;
  note(
    `bytes per image, frame and all, at 2, 4 and all 6 channels: ${bytes.map((b) => b.toFixed(1)).join(', ')}`,
  );
  assert.ok(two < four && four < all, bytes.join(', '));
});

e2e('a rate that the bundle does not list is refused, that request alone', async () => {
  const folder = ratedBundle();
  const cloud = await startServer('cloud', ['--bundle', folder]);
  const client = await RawClient.greet(cloud.wsUrl, folder);
  const bundle = await openRatedBundle();
  const codec = bundle.codec(1, 4);
  const row = codec.encode(new Uint8Array(codec.count));
  client.send(client.infer(1, [row], 20_000, 3));
  const refusal = await client.next();
  assert.is(refusal?.type, 'error', describe(refusal));
  assert.is(refusal && parseError(refusal).code, 'RATE_UNSUPPORTED');
  client.send(client.infer(1, [row], 20_000, 4));
  const result = await client.next();
  assert.is(result?.type, 'result', describe(result));
  await client.close();
});

e2e('a daemon does not start with a rate that it cannot send, and says which there are', async () => {
  const folder = ratedBundle();
  const wrong: readonly [args: string[], ending: number, says: string][] = [
    [['--cloud', 'ws://127.0.0.1:9', '--rate', '3'], 1, '3 channels at cut 1, expected one of: 2, 4, 6'],
    [['--rate', '2'], 1, 'RATE_UNSUPPORTED'],
    [['--rate', '0'], 2, 'Expected a whole number from 1 to 4096'],
  ];
  for (const [args, ending, says] of wrong) {
    const common = ['edge', '--bundle', folder, '--port', '0', '--log-level', 'error'];
    const result = await runCommand([...common, ...args]);
    assert.is(result.ending, ending, result.stderr);
    assert.ok(result.stderr.includes(says), result.stderr);
  }
});

e2e('an evaluation at a lower rate counts what differs from full rate, and misplaces nothing', async () => {
  const data = dataFolder();
  if (data === undefined) return skip('OFFRAMP_DATA is not set: the evaluation needs MNIST');
  const folder = ratedBundle();
  const args = ['evaluate', '--bundle', folder, '--data', data, '--limit', '200', '--rate', '2', '--json'];
  const { ending, stdout, stderr } = await runCommand(args);
  assert.is(ending, 0, stderr);
  const { channels, placementMismatches, fullRateDifferences, degraded, lost }: Evaluation =
    JSON.parse(stdout);
  assert.equal([channels, placementMismatches, degraded, lost], [2, undefined, 0, 0]);
  assert.ok((fullRateDifferences ?? 0) > 0, 'a third of the channels must cost some labels');
});

e2e('an evaluation at a rate that is none fails before it computes anything', async () => {
  const data = dataFolder();
  if (data === undefined) return skip('OFFRAMP_DATA is not set: the evaluation needs MNIST');
  const args = ['evaluate', '--bundle', ratedBundle(), '--data', data, '--rate', '5'];
  const { ending, stdout, stderr } = await runCommand(args);
  assert.equal([ending, stdout], [1, '']);
  assert.match(stderr, /^RATE_UNSUPPORTED: .*5 channels at cut 1, expected one of: 2, 4, 6/);
});

e2e.run();
