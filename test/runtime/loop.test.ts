import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { segmentKey } from '../../shared/runtime/index.ts';
import { openRealBundle, segmentGraphs, startPool } from './real-bundle.ts';

const Loop = suite('the calling thread');

Loop('timers go on while a big batch runs', async () => {
  const bundle = await openRealBundle();
  const pool = await startPool(segmentGraphs(bundle));
  const rows = 4000;
  const bytes = bundle.manifest.input.shape.reduce((product, size) => product * size, rows);
  let fired = 0;
  const timer = setInterval(() => {
    fired++;
  }, 5);
  const startedAt = performance.now();
  let ranMs = 0;
  // Several, so that a fast machine is busy long enough to tell; each alone takes many times the timer's period.
  while (performance.now() - startedAt < 400) {
    const { runMicros } = await pool.run(segmentKey(bundle.manifest.id, 0), new Uint8Array(bytes), rows);
    ranMs += runMicros / 1000;
  }
  clearInterval(timer);
  await pool.close();
  // A blocked loop would fire once per batch at most; a busy machine may miss many.
  assert.ok(fired >= ranMs / 5 / 4, `${fired} timers of 5 ms during ${ranMs} ms`);
});

Loop('a process that closed its pool ends by itself, without a signal', async () => {
  const file = fileURLToPath(new URL('./one-run.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 20_000,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code, signal] = await once(child, 'exit');
  assert.is(signal, null);
  assert.is(code, 0);
  assert.is(output, 'closed\n');
});

Loop.run();
