import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = `
  import { openBundle } from './shared/bundle/index.ts';
  import { bundleFolder } from './shared/host/index.ts';
  import { segmentGraph } from './shared/runtime/index.ts';
  import { WorkerPool } from './shared/runtime/node/index.ts';
  const bundle = await openBundle(bundleFolder('models/b-lenet-mnist'), { segments: [0] });
  const pool = await WorkerPool.start({
    graphs: [segmentGraph(bundle, 0)], workers: 1, threadsPerWorker: 1, providers: ['cpu'], maxQueuedRuns: 1,
  });
  await pool.close();
`;

/** Runs inference in a process with empty home and temporary folders and lists what it left there. */
function filesLeftBehind(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'offramp-telemetry-'));
  const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env;
  try {
    execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      cwd: root,
      env: { ...inherited, HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: folder },
    });
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => !name.startsWith('tsx-'),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const Telemetry = suite('telemetry of onnxruntime');

Telemetry('is off: a process that ran inference leaves no file behind', () => {
  assert.equal(filesLeftBehind(), []);
});

Telemetry.run();
