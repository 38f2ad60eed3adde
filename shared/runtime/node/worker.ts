/**
 * A worker thread that owns its sessions. `session.run()` and `create()` block the thread they are called on, so they are
 * only ever called here. The thread ends by message: ending it from outside while it computes aborts the whole process.
 */
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { OfframpError, reasonOf } from '../../errors.ts';
import type { GraphTensor, Provider, SegmentGraph } from '../runner.ts';
import type { FromWorker, ToWorker, WorkerInit } from './messages.ts';

interface LoadedGraph {
  readonly graph: SegmentGraph;
  readonly session: ort.InferenceSession;
}

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread only');
// The thread's creator is the only one that sets workerData, and the pool sets exactly this.
const init = (workerData as { readonly init: WorkerInit }).init;
// The provider probe logs every refusal in red; what it found is reported in words instead.
ort.env.logLevel = 'fatal';

const post = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

async function loadOn(provider: Provider): Promise<Map<string, LoadedGraph>> {
  const loaded = new Map<string, LoadedGraph>();
  try {
    for (const graph of init.graphs) {
      const session = await createSession(graph, provider);
      loaded.set(graph.key, { graph, session });
      checkGraph(graph, session);
    }
    return loaded;
  } catch (thrown) {
    for (const { session } of loaded.values()) await session.release();
    throw thrown;
  }
}

async function createSession(graph: SegmentGraph, provider: Provider): Promise<ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(graph.bytes, {
      executionProviders: [provider],
      intraOpNumThreads: init.threads,
      graphOptimizationLevel: 'all',
    });
  } catch (thrown) {
    // The CPU provider is always there: what it cannot load is no graph.
    if (provider !== 'cpu') throw thrown;
    const reason = reasonOf(thrown);
    throw new OfframpError(
      'BUNDLE_FILE_CORRUPT',
      `${graph.key}: onnxruntime cannot load the graph: ${reason}`,
    );
  }
}

async function loadAny(): Promise<{ provider: Provider; loaded: Map<string, LoadedGraph> }> {
  const refusals: string[] = [];
  for (const provider of init.providers) {
    try {
      return { provider, loaded: await loadOn(provider) };
    } catch (thrown) {
      if (thrown instanceof OfframpError) throw thrown;
      refusals.push(`${provider}: ${reasonOf(thrown)}`);
    }
  }
  throw new OfframpError(
    'PROVIDER_UNAVAILABLE',
    `No execution provider of ${init.providers.join(', ')} could load the graphs. ${refusals.join('; ')}`,
  );
}

function checkGraph(graph: SegmentGraph, session: ort.InferenceSession): void {
  checkTensor(graph, 'input', graph.input, session.inputMetadata);
  for (const output of graph.outputs) checkTensor(graph, 'output', output, session.outputMetadata);
}

function checkTensor(
  graph: SegmentGraph,
  role: string,
  expected: GraphTensor,
  found: readonly ort.InferenceSession.ValueMetadata[],
): void {
  const wanted = describe(expected.dtype, ['N', ...expected.shape]);
  const tensor = found.find((candidate) => candidate.name === expected.name);
  // A named first dimension is a dynamic one; a number there would fail at the first batch of another size.
  const got = tensor?.isTensor ? describe(tensor.type, batchFirst(tensor.shape)) : 'no such tensor';
  if (got === wanted) return;
  throw new OfframpError(
    'BUNDLE_GRAPH_MISMATCH',
    `${graph.key}: ${role} '${expected.name}' is ${wanted} in the manifest, the graph has ${got}`,
  );
}

function batchFirst([batch, ...rest]: readonly (number | string)[]): (number | string)[] {
  return [typeof batch === 'string' ? 'N' : (batch ?? 'nothing'), ...rest];
}

function describe(dtype: string, shape: readonly (number | string)[]): string {
  return `${dtype} [${shape.join(', ')}]`;
}

async function run(
  { graph, session }: LoadedGraph,
  message: Extract<ToWorker, { kind: 'run' }>,
): Promise<void> {
  const { name, dtype, shape } = graph.input;
  const feeds = { [name]: new ort.Tensor(dtype, message.input, [message.rows, ...shape]) };
  const startedAt = performance.now();
  const results = await session.run(feeds);
  const runMicros = (performance.now() - startedAt) * 1000;
  // The graph's dtypes were checked against the manifest at load: uint8 or float32, each in an exact buffer of its own.
  const outputs = graph.outputs.map(
    ({ name }) => results[name]?.data as Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  );
  post(
    { kind: 'done', job: message.job, outputs, runMicros },
    outputs.map((output) => output.buffer),
  );
}

async function serve(loaded: Map<string, LoadedGraph>): Promise<void> {
  // One message at a time: a stop that overtook a run would free the sessions under it.
  let previous = Promise.resolve();
  port?.on('message', (message: ToWorker) => {
    previous = previous.then(() => obey(loaded, message));
  });
}

async function obey(loaded: Map<string, LoadedGraph>, message: ToWorker): Promise<void> {
  if (message.kind === 'stop') {
    for (const { session } of loaded.values()) await session.release();
    port?.close();
    return;
  }
  try {
    const graph = loaded.get(message.key);
    if (graph === undefined) throw new Error(`no graph '${message.key}' was loaded`);
    await run(graph, message);
  } catch (thrown) {
    const reason = reasonOf(thrown);
    post({ kind: 'job-failed', job: message.job, message: reason });
  }
}

try {
  const { provider, loaded } = await loadAny();
  await serve(loaded);
  post({ kind: 'ready', provider });
} catch (thrown) {
  const { code, message } = OfframpError.from(thrown, 'RUNTIME_FAILED');
  post({ kind: 'failed', code, message });
  port.close();
}
