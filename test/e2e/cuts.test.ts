/**
 * The cut never changes the answer: every bundle, through a real agent and a server process of its own, at every cut. Logits are
 * compared with those of the network in one piece, exit by exit. Half of the images that come to a branch leave there and half go
 * on, so that every exit answers on either side of every cut.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent, type Answer } from '../../edge/agent/index.ts';
import { type RunningAgent, startAgent } from '../../edge/daemon/index.ts';
import { isDatasetName, readDataset } from '../../scripts/data/index.ts';
import { type Bundle, type Manifest, openBundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import { bundleFolders, pictureFor } from '../models/bundles.ts';
import { furthest, stack, startPool, wholeGraph } from '../runtime/real-bundle.ts';
import { dataFolder } from '../support/data.ts';
import { inLanes, temporaryFolder } from './images.ts';
import { cleanUp, note, type Server, startServer, waitUntil } from './support.ts';

const realImages = 500;
const drawnImages = 120;
const budgetMs = 60_000;
const tolerance = 1e-4;

/** What the network in one piece says of an image at each of its exits: uncalibrated logits, [exits][classes]. */
type Reference = readonly Float32Array[];

/** A bundle with thresholds of the test's own, and what to expect of it. */
interface Subject {
  readonly name: string;
  readonly folder: string;
  readonly bundle: Bundle;
  readonly images: readonly Uint8Array[];
  readonly references: readonly Reference[];
}

/** Real images where there are any, else ones that are drawn. */
function imagesFor(manifest: Manifest): Uint8Array[] {
  const data = dataFolder();
  const { dataset } = manifest.training;
  if (data !== undefined && typeof dataset === 'string' && isDatasetName(dataset)) {
    if (existsSync(join(data, dataset))) {
      const images = readDataset(dataset, data, 'test');
      return Array.from({ length: realImages }, (_, index) => images.image(index));
    }
  }
  return Array.from({ length: drawnImages }, (_, index) => pictureFor(manifest, index));
}

/** Runs the network in one piece over all images. */
async function referencesOf(bundle: Bundle, images: readonly Uint8Array[]): Promise<Reference[]> {
  const pool = await startPool([await wholeGraph(bundle, 'whole')]);
  const { length: classes } = bundle.manifest.classes;
  const batch = 20;
  const references: Reference[] = [];
  try {
    for (let first = 0; first < images.length; first += batch) {
      const rows = images.slice(first, first + batch);
      const { outputs } = await pool.run('whole', stack(rows), rows.length);
      for (const row of rows.keys()) {
        const own = outputs.map((output) =>
          Float32Array.from(output.slice(row * classes, (row + 1) * classes)),
        );
        references.push(own);
      }
    }
  } finally {
    await pool.close();
  }
  return references;
}

/**
 * Thresholds by which about half of the images that come to a branch leave there. Each lies in the middle of the widest gap
 * between two entropies nearby, where rounding cannot carry an image across.
 */
function halvingThresholds({ exits }: Manifest, references: readonly Reference[]): number[] {
  let left = references;
  return exits.slice(0, -1).map(({ temperature }, exit) => {
    const entropyOf = (reference: Reference) => entropyAt(reference, exit, temperature);
    const sorted = left.map(entropyOf).sort((a, b) => a - b);
    const third = Math.floor(sorted.length / 3);
    const gaps = sorted.slice(third, 2 * third).map((entropy, at) => {
      const next = sorted[third + at + 1] ?? entropy;
      return { width: next - entropy, middle: (entropy + next) / 2 };
    });
    const { width, middle } = gaps.reduce((widest, gap) => (gap.width > widest.width ? gap : widest));
    assert.ok(width > 1e-5, `exit ${exit}: no two of ${sorted.length} entropies lie apart`);
    left = left.filter((reference) => entropyOf(reference) >= middle);
    return middle;
  });
}

function entropyAt(reference: Reference, exit: number, temperature: number): number {
  const logits = reference[exit];
  if (logits === undefined) throw new Error(`no exit ${exit}`);
  return decideExit({ logits, temperature, threshold: undefined }).entropy;
}

/** A copy of a bundle with these thresholds, and so with a digest of its own. */
function copyWith(folder: string, thresholds: readonly number[]): string {
  const copy = temporaryFolder();
  cpSync(folder, copy, { recursive: true });
  const file = join(copy, 'manifest.json');
  const manifest: Manifest = JSON.parse(readFileSync(file, 'utf8'));
  const exits = manifest.exits.map((exit, index) => ({ ...exit, threshold: thresholds[index] }));
  writeFileSync(file, JSON.stringify({ ...manifest, exits }));
  return copy;
}

async function prepare({ name, folder }: { name: string; folder: string }): Promise<Subject> {
  const original = await openBundle(bundleFolder(folder));
  const images = imagesFor(original.manifest);
  const references = await referencesOf(original, images);
  const copy = copyWith(folder, halvingThresholds(original.manifest, references));
  return { name, folder: copy, bundle: await openBundle(bundleFolder(copy)), images, references };
}

/** Exit and label that the network in one piece gives an image. */
function expectedOf({ bundle }: Subject, reference: Reference): { exit: number; label: number } {
  for (const [exit, logits] of reference.entries()) {
    const { confident, label } = decideExit({ ...bundle.exit(exit), logits });
    if (confident || exit === reference.length - 1) return { exit, label };
  }
  throw new Error('a network without exits');
}

/** Has one image answered by an agent of the same parts as the running one, and listens to the logits that it decides by. */
async function classify(
  { bundle, runner, cloud, cut }: RunningAgent,
  image: Uint8Array,
): Promise<{ answer: Answer; logits: Float32Array }> {
  if (cloud === undefined) throw new Error('an agent without a cloud');
  let logits = new Float32Array();
  const listening: Runner = {
    provider: runner.provider,
    parallel: runner.parallel,
    close: () => runner.close(),
    async run(key, input, rows) {
      const output = await runner.run(key, input, rows);
      const [own] = output.outputs;
      if (own instanceof Float32Array) logits = own.slice();
      return output;
    },
  };
  const agent = new Agent({
    bundle,
    runner: listening,
    cloud: {
      connected: cloud.connected,
      maxImageBytes: cloud.maxImageBytes,
      async infer(offload) {
        const result = await cloud.infer(offload);
        logits = result.logits.slice();
        return result;
      },
    },
    clock: systemClock,
    cut,
    defaultBudgetMs: budgetMs,
    maxInFlight: 1,
  });
  return { answer: await agent.classify(image), logits };
}

function start(subject: Subject, cloud: Server, cut: number): Promise<RunningAgent> {
  return startAgent({
    bundleFolder: subject.folder,
    cloudUrls: [cloud.wsUrl],
    cut,
    budgetMs,
    maxInFlight: 64,
    workers: 1,
    threadsPerWorker: 1,
    version: 'test',
    onEvent: () => {},
  });
}

/** How often each exit answered, and the largest difference of a logit. */
interface Comparison {
  readonly exits: readonly number[];
  readonly furthest: number;
}

/** Sends all images at one cut and holds every answer against the network in one piece. */
async function compareAt(subject: Subject, cloud: Server, cut: number): Promise<Comparison> {
  const { bundle, images, references, name } = subject;
  const exits = bundle.manifest.exits.map(() => 0);
  let most = 0;
  const running = await start(subject, cloud, cut);
  try {
    await waitUntil(() => running.cloud?.connected === true, 'the agent to connect');
    await inLanes(8, images.length, async (index) => {
      const reference = references[index] ?? [];
      const expected = expectedOf(subject, reference);
      const { answer, logits } = await classify(running, images[index] ?? new Uint8Array(0));
      const what = `${name}, cut ${cut}, image ${index}`;
      assert.not(answer.degraded, `${what}: degraded, ${answer.reason}`);
      assert.is(answer.exit, bundle.exit(expected.exit).name, `${what}: another exit`);
      assert.is(answer.label, expected.label, `${what}: another label`);
      const off = furthest(logits, reference[expected.exit] ?? []);
      assert.ok(off < tolerance, `${what}, exit ${expected.exit}: a logit is off by ${off}`);
      most = Math.max(most, off);
      exits[expected.exit] = (exits[expected.exit] ?? 0) + 1;
    });
  } finally {
    await running.stop();
  }
  return { exits, furthest: most };
}

const subjects = await Promise.all(bundleFolders.map(prepare));
const bundles = subjects.flatMap(({ folder }) => ['--bundle', folder]);

const cuts = suite('the cut never changes the answer');
cuts.after(cleanUp);

cuts('of any bundle, at any cut, in label, exit and logits', async () => {
  const cloud = await startServer('cloud', bundles);
  for (const subject of subjects) {
    const { length: segments } = subject.bundle.manifest.segments;
    // From 0, where the image itself is sent, to all segments on the device.
    for (let cut = 0; cut <= segments; cut++) {
      const startedAt = performance.now();
      const { exits, furthest } = await compareAt(subject, cloud, cut);
      const seconds = (performance.now() - startedAt) / 1000;
      note(
        `${subject.name}, cut ${cut}: exits ${exits.join(', ')}, logits off by ${furthest}, ${seconds.toFixed(1)} s`,
      );
      assert.ok(Math.min(...exits) >= subject.images.length / 10, 'every exit has its share');
    }
  }
});

cuts.run();
