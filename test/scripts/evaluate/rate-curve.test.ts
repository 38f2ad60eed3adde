/** The rate curve of the committed bundle with rates added, held against what the runner alone gives. */
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { batchesOf, inParallel } from '../../../scripts/evaluate/rate-curve/batches.ts';
import { scoreCurves } from '../../../scripts/evaluate/rate-curve/best-settings.ts';
import { measureAll } from '../../../scripts/evaluate/rate-curve/measure.ts';
import { channelsOf } from '../../../scripts/evaluate/rate-curve/senders.ts';
import { type Figures, wireBytesOf } from '../../../scripts/evaluate/rate-curve/tally.ts';
import {
  encodeWebp,
  settingsWords,
  webpCandidates,
  webpQualities,
} from '../../../scripts/evaluate/rate-curve/webp.ts';
import { argmax, decideExit } from '../../../shared/exits/index.ts';
import {
  bundleTag,
  clientWireBytes,
  decodeFrame,
  encodeInfer,
  parseInfer,
} from '../../../shared/protocol/index.ts';
import { segmentKey } from '../../../shared/runtime/index.ts';
import { samples } from '../../e2e/images.ts';
import { rejectsCode } from '../../protocol/expect.ts';
import { filled, openRatedBundle, openUnratedBundle, rates } from '../../runtime/rated-bundle.ts';
import { runAlone, segmentGraphs, stack, startPool, wholeGraph } from '../../runtime/real-bundle.ts';

/** One more than a batch takes. */
const images = samples(101);
const pixels = Array.from({ length: images.count }, (_, index) => images.image(index));
const bundle = await openRatedBundle();
const budgetMs = 2000;
const options = { count: images.count, cut: 1, budgetMs, onProgress: () => {} };
const measured = await measureAll(bundle, images, options);

function shareRight(labels: readonly number[]): number {
  return labels.filter((label, index) => label === images.labels[index]).length / images.count;
}

/** Mean, and 95th percentile by nearest rank. */
function figuresOf(counts: readonly number[]): Figures['bytes'] {
  const sorted = [...counts].sort((a, b) => a - b);
  return {
    mean: sorted.reduce((sum, bytes) => sum + bytes, 0) / sorted.length,
    p95: sorted[Math.ceil(0.95 * sorted.length) - 1] ?? Number.NaN,
  };
}

const Curve = suite('the rate curve');

Curve('counts the streams of each rate, their frames, and the answers to them', async () => {
  const pool = await startPool(segmentGraphs(bundle));
  try {
    const alone = await runAlone(pool, bundle, pixels);
    assert.equal(
      measured.rates.map(({ channels }) => channels),
      [...rates],
    );
    for (const { channels, bytes, wireBytes, accuracy, exitRuleAccuracy } of measured.rates) {
      const codec = bundle.codec(1, channels);
      const streams = alone.map(({ codes }) => codec.encode(codes.slice(0, codec.count)));
      const frames = streams.map((stream) => {
        const rate = channels === 6 ? {} : { channels };
        return encodeInfer({
          id: 7,
          bundleTag: bundleTag(bundle.digest),
          cut: 1,
          budgetMs,
          rows: [stream],
          ...rate,
        });
      });
      assert.equal(bytes, figuresOf(streams.map(({ length }) => length)), `${channels} channels`);
      assert.equal(
        wireBytes,
        figuresOf(frames.map(({ length }) => clientWireBytes(length))),
        `${channels} framed`,
      );
      const input = stack(alone.map(({ codes }) => filled(codes, channels, bundle)));
      const { outputs } = await pool.run(segmentKey(bundle.manifest.id, 1), input, pixels.length);
      const logits = outputs[0] ?? new Float32Array();
      const labels = pixels.map((_, row) => argmax(logits.subarray(row * 10, (row + 1) * 10)));
      assert.is(accuracy, shareRight(labels), `${channels} channels`);
      assert.is(exitRuleAccuracy, accuracy, 'one exit lies behind the cut');
    }
  } finally {
    await pool.close();
  }
});

Curve('rises with the rate in bytes, and ends where raw pixels are', () => {
  const means = measured.rates.map(({ bytes }) => bytes.mean);
  assert.equal(
    means,
    [...means].sort((a, b) => a - b),
  );
  assert.is(
    measured.rates.at(-1)?.accuracy,
    measured.uncompressed.accuracy,
    'the cut never changes the answer',
  );
  assert.equal(measured.uncompressed.bytes, { mean: 784, p95: 784 });
});

Curve('has WebP at every quality, of the settings that did best', async () => {
  const { webp, webpSettings, webpTried, uncompressed } = measured;
  assert.equal(
    webp.map(({ quality }) => quality),
    [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90],
  );
  assert.equal(
    webpTried.map(({ settings }) => settings),
    webpCandidates.map(settingsWords),
  );
  const best = Math.max(...webpTried.map(({ score }) => score));
  assert.is(webpTried.find(({ score }) => score === best)?.settings, settingsWords(webpSettings));

  const quality = 30;
  const files = await Promise.all(
    pixels.map((image) => encodeWebp(image, [28, 28, 1], webpSettings, quality)),
  );
  const decoded = await Promise.all(
    files.map(async (file) => new Uint8Array(await sharp(file).toColourspace('b-w').raw().toBuffer())),
  );
  const pool = await startPool([await wholeGraph(bundle, 'whole')]);
  try {
    const point = webp.find((candidate) => candidate.quality === quality);
    const answers = await answersOf(decoded);
    assert.equal(point?.bytes, figuresOf(files.map(({ length }) => length)));
    assert.is(point?.accuracy, shareRight(answers.map(({ last }) => last)));
    assert.is(point?.exitRuleAccuracy, shareRight(answers.map(({ first }) => first)));
    const raw = await answersOf(pixels);
    assert.is(uncompressed.accuracy, shareRight(raw.map(({ last }) => last)));
    assert.is(uncompressed.exitRuleAccuracy, shareRight(raw.map(({ first }) => first)));
  } finally {
    await pool.close();
  }

  /** Labels of the last exit, and of the first sure one, of the network in one piece. */
  async function answersOf(rows: readonly Uint8Array[]): Promise<{ last: number; first: number }[]> {
    const { outputs } = await pool.run('whole', stack(rows), rows.length);
    const [branch = new Float32Array(), final = new Float32Array()] = outputs;
    return rows.map((_, row) => {
      const [own, last] = [branch, final].map((logits) => logits.subarray(row * 10, (row + 1) * 10));
      const { confident, label } = decideExit({ ...bundle.exit(0), logits: own ?? [] });
      return { last: argmax(last ?? []), first: confident ? label : argmax(last ?? []) };
    });
  }
});

Curve('says how far it is, up to the end', async () => {
  const seen = new Map<string, number[]>();
  const few = { ...options, count: 3 };
  await measureAll(bundle, images, {
    ...few,
    onProgress(stage, done, total) {
      seen.set(stage, [done, total]);
    },
  });
  const ways = 1 + rates.length + webpQualities.length;
  assert.equal(seen.get('curve'), [3 * ways, 3 * ways]);
  const [done = 0, total] = seen.get('settings') ?? [];
  assert.ok(done > 0 && done === total);
});

Curve('takes all channels for the only rate where the manifest lists none', async () => {
  assert.equal(channelsOf(await openUnratedBundle(), 1), [6]);
});

Curve('refuses a cut that no codes cross', async () => {
  for (const cut of [0, 2]) {
    await rejectsCode(measureAll(bundle, images, { ...options, cut }), 'CUT_UNSUPPORTED', `got cut ${cut}`);
  }
});

Curve.run();

const Framing = suite('bytes of a framed row');

const tag = bundleTag(bundle.digest);

Framing('are those of a frame that names rate or format, and of the WebSocket around it', () => {
  for (const rowBytes of [2, 19, 120, 300]) {
    const row = new Uint8Array(rowBytes).fill(1);
    for (const request of [
      { bundleTag: tag, cut: 1, budgetMs },
      { bundleTag: tag, cut: 1, budgetMs, channels: 4 },
      { bundleTag: tag, cut: 0, budgetMs, format: 'webp' as const },
    ]) {
      const bytes = wireBytesOf(request, row);
      const message = encodeInfer({ ...request, id: 0xffff_ffff, rows: [row] });
      const { id: _, rows, ...told } = parseInfer(decodeFrame(message));
      assert.equal([told, rows], [request, [row]]);
      // RFC 6455 section 5.2: 2 bytes, 2 more for a length of 126 and above, and 4 of mask.
      assert.is(bytes, message.length + (message.length < 126 ? 6 : 8));
    }
  }
});

Framing.run();

const Settings = suite('the choice of WebP settings');

const curve = (...points: [number, number][]) => points.map(([cost, accuracy]) => ({ cost, accuracy }));

Settings('scores a curve higher that gives the same for less', () => {
  const [dear = 0, cheap = 0] = scoreCurves([
    curve([120, 0.7], [300, 0.8], [600, 0.9]),
    curve([100, 0.7], [280, 0.8], [560, 0.9]),
  ]);
  assert.ok(cheap > dear, `${cheap} against ${dear}`);
});

Settings('scores curves of one point', () => {
  assert.equal(scoreCurves([curve([100, 0.5]), curve([200, 0.75])]), [0.5, 0.75]);
});

Settings('are written as a person would', () => {
  assert.equal(webpCandidates.map(settingsWords).slice(0, 3), [
    'effort 4',
    'effort 6',
    'effort 6, smartSubsample',
  ]);
});

Settings.run();

const Batches = suite('batches');

Batches('hold every image once, with its label, a hundred at a time', () => {
  const batches = batchesOf(images, [0, 5, ...Array.from({ length: 100 }, (_, index) => index)]);
  assert.equal(
    batches.map(({ labels }) => labels.length),
    [100, 2],
  );
  assert.equal(batches[0]?.images[1], images.image(5));
  assert.is(batches[0]?.labels[1], images.labels[5]);
});

Batches('run no more than allowed at once', async () => {
  let [now, most, done] = [0, 0, 0];
  await inParallel([1, 2, 3, 4, 5, 6, 7], 3, async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    now--;
    done++;
  });
  assert.equal([most, done], [3, 7]);
});

Batches('stop at the first failure, after what was under way has ended', async () => {
  const begun: number[] = [];
  let ended = 0;
  const run = inParallel([0, 1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    await new Promise((resolve) => setTimeout(resolve, item === 1 ? 1 : 20));
    if (item === 1) throw new Error('one');
    ended++;
  });
  await run.then(
    () => assert.unreachable('expected a failure'),
    (thrown: Error) => assert.is(thrown.message, 'one'),
  );
  assert.equal([begun, ended], [[0, 1], 1]);
});

Batches.run();
