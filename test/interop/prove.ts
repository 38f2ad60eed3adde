/**
 * Runs the segments of the committed bundles on an inference server of somebody else and compares every answer with that of a
 * server that runs them itself: `node --import tsx test/interop/prove.ts triton|mlserver PYTHON [--record]`. See README.md.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { RemoteRunner } from '../../cloud/executors/index.ts';
import { type Encoding, OipClient } from '../../cloud/oip-client/index.ts';
import { blobPicture } from '../../scripts/demo/blobs.ts';
import { findBundle } from '../../scripts/project.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import { samples, temporaryFolder } from '../e2e/images.ts';
import { cleanUp, note, runCommand, startServer, waitUntil } from '../e2e/support.ts';
import { segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { calls, type Recording } from './calls.ts';
import { cloudAnswers, compareAnswers } from './cloud-answers.ts';
import { startRecorder } from './recorder.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const encodings: Readonly<Record<string, Encoding>> = { triton: 'binary', mlserver: 'json' };
const timedRuns = 300;

/** A copy of a bundle whose branches are never sure: every row goes through every segment. */
function unsureCopy(id: string): string {
  const folder = temporaryFolder();
  cpSync(findBundle(id), folder, { recursive: true });
  const file = join(folder, 'manifest.json');
  const manifest: { readonly exits: { threshold?: number }[] } = JSON.parse(readFileSync(file, 'utf8'));
  for (const exit of manifest.exits.slice(0, -1)) exit.threshold = 0;
  writeFileSync(file, JSON.stringify(manifest));
  return folder;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the other server on an exported repository; gives its address. */
async function serve(name: string, python: string): Promise<{ readonly port: number; stop(): void }> {
  const repository = temporaryFolder();
  const exported = await runCommand(['models', 'export', '--triton', repository]);
  if (exported.ending !== 0) throw new Error(exported.stderr);
  const port = await freePort();
  const script = join(here, name, 'serve.py');
  const child = spawn(python, [script, repository, String(port)], { stdio: ['ignore', 'ignore', 'inherit'] });
  process.once('exit', () => child.kill('SIGTERM'));
  const client = new OipClient({ url: `http://127.0.0.1:${port}` });
  await waitUntil(() => client.isServerReady().catch(() => false), `${name} to be ready`, {
    ...{ deadlineMs: 180_000, everyMs: 500 },
  });
  client.close();
  return { port, stop: () => void child.kill('SIGTERM') };
}

async function compare(id: string, images: readonly Uint8Array[], remoteUrl: string): Promise<void> {
  const bundle = unsureCopy(id);
  const here = await startServer('cloud', ['--bundle', bundle]);
  const there = await startServer('cloud', ['--bundle', bundle, '--remote', remoteUrl]);
  assert.is(JSON.parse(there.stdout()).provider, 'remote');
  const local = await cloudAnswers(here.wsUrl, bundle, images);
  const remote = await cloudAnswers(there.wsUrl, bundle, images);
  const { differing, worst } = compareAnswers(remote, local);
  note(`${id}: ${images.length} images, ${differing} labels differ, probabilities by at most ${worst}`);
  if (differing > 0) process.exitCode = 1;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

/** Time of one run of the last segment, here and there, in turns so that both meet the same machine. */
async function measure(url: string): Promise<void> {
  const bundle = await openBundle(bundleFolder(findBundle('b-lenet-mnist')));
  const graphs = segmentGraphs(bundle);
  const key = graphs[1]?.key ?? '';
  const pool = await startPool(graphs);
  const client = new OipClient({ url });
  const remote = await RemoteRunner.start({ client, graphs, parallel: 1, maxRows: 64 });
  for (const rows of [1, 64]) {
    const times = new Map<Runner, number[]>([
      [pool, []],
      [remote, []],
    ]);
    for (let run = 0; run < timedRuns; run++) {
      for (const [runner, list] of times) {
        list.push((await runner.run(key, new Uint8Array(rows * 96), rows)).runMicros);
      }
    }
    const [here, there] = [...times.values()].map((list) => [quantile(list, 0.1), quantile(list, 0.5)]);
    const figures = (pair: readonly number[] = []) => pair.map((micros) => Math.round(micros)).join(' / ');
    note(
      `s1, ${rows} rows, p10 / p50 of ${timedRuns} runs: here ${figures(here)} us, there ${figures(there)} us`,
    );
  }
  await Promise.all([pool.close(), remote.close()]);
}

async function record(name: string, port: number): Promise<void> {
  const encoding = encodings[name] ?? 'binary';
  const recorder = await startRecorder(port);
  const client = new OipClient({ url: recorder.url });
  const metadata = await client.serverMetadata();
  recorder.take();
  const folder = join(here, name, 'recorded');
  mkdirSync(folder, { recursive: true });
  for (const [call, make] of Object.entries(calls)) {
    await make(client, encoding).catch((thrown: unknown) => {
      note(`${call}: ${OfframpError.from(thrown).code}`);
    });
    const { request, response } = recorder.take();
    const recording: Recording = {
      server: `${metadata.name} ${metadata.version}`,
      date: new Date().toISOString().slice(0, 10),
      encoding,
      request: request.toString('base64'),
      response: response.toString('base64'),
    };
    writeFileSync(join(folder, `${call}.json`), `${JSON.stringify(recording, null, 2)}\n`);
  }
  client.close();
  recorder.stop();
}

const [name = '', python = '', option] = process.argv.slice(2);
if (encodings[name] === undefined || python === '')
  throw new Error('expected triton|mlserver PYTHON [--record]');
const server = await serve(name, python);
try {
  const url = `http://127.0.0.1:${server.port}`;
  if (option === '--record') await record(name, server.port);
  const digits = samples(200);
  await compare(
    'b-lenet-mnist',
    Array.from({ length: digits.count }, (_, index) => digits.image(index)),
    url,
  );
  await compare(
    'b-alexnet-cifar10',
    Array.from({ length: 100 }, (_, index) => blobPicture([32, 32, 3], index)),
    url,
  );
  await measure(url);
} finally {
  server.stop();
  await cleanUp();
}
