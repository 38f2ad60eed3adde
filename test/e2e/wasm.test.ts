/** A daemon that runs the device's segments on WebAssembly answers, and the native library is nowhere in it. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawnImage } from '../runtime/real-bundle.ts';
import { greyFile } from '../support/pictures.ts';
import { cleanUp, removeLater, runCommand, type Server, startServer } from './support.ts';

const images = [0, 3, 77, 400].map(drawnImage);

interface Said {
  readonly label: number;
  readonly entropy: number;
  readonly route: string;
}

async function ask(edge: Server): Promise<Said[]> {
  const response = await fetch(`${edge.url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.concat(images),
  });
  const { answers }: { answers: Said[] } = await response.json();
  return answers;
}

/** Whether the process has a file of onnxruntime's native library in its memory. */
function hasNativeLibrary({ pid }: Server): boolean {
  return /onnxruntime[^\n]*\.(?:node|so)/.test(readFileSync(`/proc/${pid}/maps`, 'utf8'));
}

const Wasm = suite('offramp edge --runtime wasm');

Wasm('answers as the native one does, and says in health and in status what it runs on', async () => {
  const native = await startServer('edge');
  const wasm = await startServer('edge', ['--runtime', 'wasm', '--cut', '1', '--threads', '1']);
  const [expected, got] = [await ask(native), await ask(wasm)];
  assert.is(got.length, images.length);
  for (const [index, { label }] of expected.entries()) assert.is(got[index]?.label, label, `image ${index}`);
  for (const path of ['/readyz', '/v1/status']) {
    const { provider }: { provider: string } = await (await fetch(`${wasm.url}${path}`)).json();
    assert.is(provider, 'wasm', path);
  }
  if (process.platform === 'linux') {
    assert.ok(hasNativeLibrary(native), 'the test cannot see the library where it is');
    assert.not(hasNativeLibrary(wasm));
  }
  assert.is(await wasm.stop(), 0, wasm.stderr());
});

Wasm('is there for offramp classify too, and a runtime that is none is wrong usage', async () => {
  const folder = removeLater(mkdtempSync(join(tmpdir(), 'offramp-wasm-')));
  const file = join(folder, 'digit.png');
  writeFileSync(file, await greyFile(28, 28, 'png'));
  const { ending, stdout, stderr } = await runCommand(['classify', '--runtime', 'wasm', '--json', file]);
  assert.is(ending, 0, stderr);
  assert.is(JSON.parse(stdout)[0].route, 'edge-only');
  assert.is((await runCommand(['edge', '--runtime', 'gpu'])).ending, 2);
});

Wasm.after.each(cleanUp);
Wasm.run();
