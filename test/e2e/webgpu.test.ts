/** The segments on WebGPU, over a software Vulkan driver where there is no GPU: the answers have to be the CPU's. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceBench } from '../../scripts/bench/device/bench.ts';
import { type InferResult, parseResult } from '../../shared/protocol/index.ts';
import {
  drawnImage,
  furthest,
  openRealBundle,
  realBundleFolder,
  runAlone,
  segmentGraphs,
  startPool,
} from '../runtime/real-bundle.ts';
import { skip } from '../support/data.ts';
import { vulkanDriver } from '../support/vulkan.ts';
import { describe, RawClient } from './raw-client.ts';
import { cleanUp, note, runCommand, type Server, startServer } from './support.ts';

const driver = vulkanDriver();
const images = 16;
const tolerance = 1e-4;
/** Software takes its time. */
const budgetMs = 60_000;

const WebGpu = suite('WebGPU');
WebGpu.after.each(cleanUp);

type Environment = Readonly<Record<string, string>>;

/** A test that is skipped, with the reason, where there is no driver. */
function onDriver(name: string, test: (env: Environment) => Promise<void>): void {
  WebGpu(name, async () => {
    if ('lacking' in driver) skip(driver.lacking);
    else await test(driver.env);
  });
}

onDriver("bench device finds every label and logit of the CPU's, by every segment", async (env) => {
  const { ending, stdout, stderr } = await runCommand(
    [
      ...['bench', 'device', '--device', 'webgpu', '--bundle', 'b-lenet-mnist', '--json'],
      ...['--images', String(images), '--max-batch-rows', '4', '--passes', '1'],
    ],
    env,
  );
  assert.not.equal(stdout, '', stderr);
  const bench: DeviceBench = JSON.parse(stdout);
  const segments = bench.bundles.flatMap((bundle) => bundle.segments);
  for (const { segment, comparison, speed } of segments) {
    const { rows, labelsDiffering, largestLogitDifference, codes } = comparison;
    note(
      `s${segment}: logits differ by ${largestLogitDifference.toExponential(2)} at most, codes ${codes?.differing ?? '-'}`,
    );
    assert.is(rows, images);
    assert.is(labelsDiffering, 0, `labels of s${segment} that are not the CPU's`);
    assert.ok(
      largestLogitDifference <= tolerance,
      `logits of s${segment} differ by ${largestLogitDifference}`,
    );
    assert.equal(
      speed?.device.batches.map((batch) => batch.rows),
      [1, 2, 4],
    );
    assert.ok((speed?.ratio ?? 0) > 0);
  }
  assert.equal([bench.provider, segments.length, bench.agrees, ending], ['webgpu', 2, true, 0]);
});

onDriver('a server on it gives a device the labels and exits of a server on the CPU', async (env) => {
  const args = ['--bundle', realBundleFolder, '--max-batch-rows', '4'];
  const cpu = await startServer('cloud', args);
  const webgpu = await startServer('cloud', [...args, '--device', 'webgpu'], env);
  assert.is(await providerOf(webgpu), 'webgpu');
  const expected = await answersOf(cpu);
  const got = await answersOf(webgpu);
  for (const [request, answer] of expected.entries()) {
    const other = got[request];
    assert.equal(other?.exits, answer.exits);
    assert.equal(labels(other), labels(answer));
    assert.ok(furthest(other?.logits ?? [], answer.logits) <= tolerance);
  }
});

async function providerOf({ url }: Server): Promise<string> {
  const { provider }: { provider: string } = await (await fetch(`${url}/readyz`)).json();
  return provider;
}

/** What a server answers to drawn digits: as images, and as codes of the first segment on the CPU; four in each request. */
async function answersOf({ wsUrl }: Server): Promise<InferResult[]> {
  const { codes, pixels, classes } = await requests();
  const client = await RawClient.greet(wsUrl, realBundleFolder);
  const answers: InferResult[] = [];
  for (const [cut, rows] of [pixels, codes].entries()) {
    for (let first = 0; first < rows.length; first += 4) {
      client.send(client.infer(cut, rows.slice(first, first + 4), budgetMs));
      const frame = await client.next();
      if (frame?.type !== 'result') throw new Error(`expected a result, got ${describe(frame)}`);
      answers.push(parseResult(frame, classes));
    }
  }
  await client.close();
  return answers;
}

interface Requests {
  readonly pixels: readonly Uint8Array[];
  /** As they are sent. */
  readonly codes: readonly Uint8Array[];
  readonly classes: number;
}

async function requests(): Promise<Requests> {
  const bundle = await openRealBundle();
  const pixels = Array.from({ length: images }, (_, index) => drawnImage(index));
  const pool = await startPool(segmentGraphs(bundle));
  try {
    const alone = await runAlone(pool, bundle, pixels);
    const codec = bundle.codec(1);
    const { classes } = bundle.manifest;
    return { pixels, codes: alone.map((one) => codec.encode(one.codes)), classes: classes.length };
  } finally {
    await pool.close();
  }
}

function labels(answer: InferResult | undefined): number[] {
  if (answer === undefined) return [];
  const { exits, logits } = answer;
  const classes = logits.length / exits.length;
  return exits.map((_, row) => {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
}

WebGpu.run();
