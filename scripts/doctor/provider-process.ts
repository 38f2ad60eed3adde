/**
 * Runs one graph on one execution provider and tells its parent what became of it. A process of its own, because a driver that
 * fails may take the process with it. Ends when its parent says so, or is gone.
 */
import { openBundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { type Provider, segmentGraph } from '../../shared/runtime/index.ts';
import { WorkerPool } from '../../shared/runtime/node/index.ts';
import type { ProviderTrial } from './providers.ts';

process.once('disconnect', () => process.exit());

const [folder = '', provider] = process.argv.slice(2);
process.send?.(await tryProvider(folder, provider as Provider));

async function tryProvider(folder: string, provider: Provider): Promise<ProviderTrial> {
  try {
    const bundle = await openBundle(bundleFolder(folder), { segments: [0] });
    const { warmRuns } = await WorkerPool.start({
      graphs: [segmentGraph(bundle, 0)],
      ...{ workers: 1, threadsPerWorker: 1, providers: [provider] },
      ...{ warmUpRows: [1], maxQueuedRuns: 1 },
    });
    return { kind: 'ran', runMicros: warmRuns[0]?.runMicros ?? 0 };
  } catch (thrown) {
    return { kind: 'refused', reason: oneLine(OfframpError.from(thrown, 'RUNTIME_FAILED').message) };
  }
}

/** onnxruntime's words go over many lines, with places in its sources. */
function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 300)} ...` : line;
}
