/**
 * A worker thread that owns its sessions. `session.run()` and `create()` block the thread they are called on, so they are
 * only ever called here. The thread ends by message: ending it from outside while it computes aborts the whole process.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type * as ort from 'onnxruntime-node';
import { OfframpError, reasonOf } from '../../errors.ts';
import type { GraphTensor, Provider, SegmentGraph, WarmRun } from '../runner.ts';
import { type Library, libraryOf } from './library.ts';
import type { FromWorker, ToWorker, WorkerInit } from './messages.ts';

interface LoadedGraph {
  readonly graph: SegmentGraph;
  readonly library: Library;
  readonly session: ort.InferenceSession;
}

type RunMessage = Extract<ToWorker, { kind: 'run' }>;

interface Loaded {
  readonly provider: Provider;
  readonly loaded: Map<string, LoadedGraph>;
  readonly warmRuns: readonly WarmRun[];
}

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread only');
// The thread's creator is the only one that sets workerData, and the pool sets exactly this.
const init = (workerData as { readonly init: WorkerInit }).init;

const post = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

/** The graphs on one provider, warm; all of them or none. */
async function loadOn(provider: Provider, graphs: readonly SegmentGraph[]): Promise<Loaded> {
  const loaded = new Map<string, LoadedGraph>();
  const warmRuns: WarmRun[] = [];
  const library = await libraryOf(provider, init.threads);
  try {
    for (const graph of graphs) {
      const session = await createSession(library, graph, provider);
      const own = { graph, library, session };
      loaded.set(graph.key, own);
      checkGraph(graph, session);
      for (const rows of init.warmUpRows) warmRuns.push(await warmRun(own, rows));
    }
    return { provider, loaded, warmRuns };
  } catch (thrown) {
    await release(loaded.values());
    throw thrown;
  }
}

async function release(graphs: Iterable<LoadedGraph>): Promise<void> {
  for (const { session } of graphs) await session.release();
}

/** The second run of a shape: the first one allocates and, on a GPU, compiles. */
async function warmRun(own: LoadedGraph, rows: number): Promise<WarmRun> {
  const { key, input } = own.graph;
  const size = input.shape.reduce((product, side) => product * side, rows);
  await runOnce(own, new Uint8Array(size), rows);
  const { outputs, runMicros } = await runOnce(own, new Uint8Array(size), rows);
  // A network that makes nothing of an empty picture is no network to serve.
  if (outputs.some((output) => output instanceof Float32Array && !output.every(Number.isFinite))) {
    throw new OfframpError('BUNDLE_FILE_CORRUPT', `${key}: the graph gives logits that are not finite`);
  }
  return { key, rows, runMicros };
}

async function createSession(
  library: Library,
  graph: SegmentGraph,
  provider: Provider,
): Promise<ort.InferenceSession> {
  try {
    return await library.InferenceSession.create(graph.bytes, {
      executionProviders: [configured(provider)],
      intraOpNumThreads: init.threads,
      graphOptimizationLevel: 'all',
    });
  } catch (thrown) {
    // On the CPU a library that has loaded computes: what it cannot load is no graph.
    if (provider !== 'cpu' && provider !== 'wasm') throw thrown;
    const reason = reasonOf(thrown);
    throw new OfframpError(
      'BUNDLE_FILE_CORRUPT',
      `${graph.key}: onnxruntime cannot load the graph: ${reason}`,
    );
  }
}

/**
 * In its own layout, NHWC, the webgpu provider reads wrong channels in a Conv wider than 1 x 1 whose input channels are a multiple of 3
 * above 3 and not of 4, and whose output channels are one of 4: onnxruntime 1.30.0. In NCHW it takes another shader.
 */
function configured(provider: Provider): ort.InferenceSession.ExecutionProviderConfig {
  return provider === 'webgpu' ? { name: 'webgpu', preferredLayout: 'NCHW' } : provider;
}

async function loadAny(): Promise<Loaded> {
  const refusals: string[] = [];
  for (const provider of init.providers) {
    try {
      return await loadOn(provider, init.graphs);
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

async function runOnce(
  { graph, library, session }: LoadedGraph,
  input: Uint8Array,
  rows: number,
): Promise<{ outputs: (Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>)[]; runMicros: number }> {
  const { name, dtype, shape } = graph.input;
  const feeds = { [name]: new library.Tensor(dtype, input, [rows, ...shape]) };
  const startedAt = performance.now();
  const results = await session.run(feeds);
  const runMicros = (performance.now() - startedAt) * 1000;
  // The graph's dtypes were checked against the manifest at load: uint8 or float32, each in an exact buffer of its own.
  const outputs = graph.outputs.map(
    ({ name }) => results[name]?.data as Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  );
  return { outputs, runMicros };
}

async function run({ loaded }: Loaded, { job, key, input, rows }: RunMessage): Promise<void> {
  const graph = loaded.get(key);
  if (graph === undefined) throw new Error(`no graph '${key}' was loaded`);
  const { outputs, runMicros } = await runOnce(graph, input, rows);
  post(
    { kind: 'done', job, outputs, runMicros },
    outputs.map((output) => output.buffer),
  );
}

async function load(own: Loaded, { job, graphs }: Extract<ToWorker, { kind: 'load' }>): Promise<void> {
  const twin = graphs.find(({ key }) => own.loaded.has(key));
  if (twin !== undefined) throw new Error(`a graph '${twin.key}' is loaded already`);
  const { loaded, warmRuns } = await loadOn(own.provider, graphs);
  for (const [key, graph] of loaded) own.loaded.set(key, graph);
  post({ kind: 'loaded', job, warmRuns });
}

async function unload(
  { loaded }: Loaded,
  { job, keys }: Extract<ToWorker, { kind: 'unload' }>,
): Promise<void> {
  for (const key of keys) {
    const graph = loaded.get(key);
    if (graph === undefined) continue;
    loaded.delete(key);
    await release([graph]);
  }
  post({ kind: 'unloaded', job });
}

async function serve(own: Loaded): Promise<void> {
  // One message at a time: a stop that overtook a run would free the sessions under it.
  let previous = Promise.resolve();
  port?.on('message', (message: ToWorker) => {
    previous = previous.then(() => obey(own, message));
  });
}

async function obey(own: Loaded, message: ToWorker): Promise<void> {
  if (message.kind === 'stop') {
    await release(own.loaded.values());
    port?.close();
    return;
  }
  try {
    if (message.kind === 'run') await run(own, message);
    else if (message.kind === 'load') await load(own, message);
    else await unload(own, message);
  } catch (thrown) {
    const { code, message: reason } = OfframpError.from(thrown, 'RUNTIME_FAILED');
    post({ kind: 'job-failed', job: message.job, code, message: reason });
  }
}

try {
  const own = await loadAny();
  await serve(own);
  post({ kind: 'ready', provider: own.provider, warmRuns: own.warmRuns });
} catch (thrown) {
  const { code, message } = OfframpError.from(thrown, 'RUNTIME_FAILED');
  post({ kind: 'failed', code, message });
  port.close();
}
