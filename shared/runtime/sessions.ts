import type * as ort from 'onnxruntime-web';
import { OfframpError, reasonOf } from '../errors.ts';
import type { Library, LibraryOf } from './library.ts';
import type { GraphTensor, Provider, RunOutput, SegmentGraph, WarmRun } from './runner.ts';

/** How graphs are loaded. */
export interface SessionsInit {
  readonly graphs: readonly SegmentGraph[];
  /** Tried in this order, one at a time; the first that takes every graph is kept. */
  readonly providers: readonly Provider[];
  /** Threads of each session (`intraOpNumThreads`). */
  readonly threads: number;
  /** Batch sizes that every graph runs at before it counts as loaded. */
  readonly warmUpRows: readonly number[];
}

interface LoadedGraph {
  readonly graph: SegmentGraph;
  readonly library: Library;
  readonly session: ort.InferenceSession;
}

interface Loaded {
  readonly provider: Provider;
  readonly loaded: Map<string, LoadedGraph>;
  readonly warmRuns: readonly WarmRun[];
}

const fatalSeverity = 4;

/** How onnxruntime begins when it could not load or start the library itself. */
const noBackend = 'no available backend found';

/** The sessions of one thread, by whichever package of onnxruntime is there. Opening and running block the thread that asks. */
export class Sessions {
  readonly provider: Provider;
  /** Of the graphs it was opened with. */
  readonly warmRuns: readonly WarmRun[];
  readonly #init: SessionsInit;
  readonly #libraryOf: LibraryOf;
  readonly #loaded: Map<string, LoadedGraph>;

  private constructor(init: SessionsInit, libraryOf: LibraryOf, { provider, loaded, warmRuns }: Loaded) {
    this.provider = provider;
    this.warmRuns = warmRuns;
    this.#init = init;
    this.#libraryOf = libraryOf;
    this.#loaded = loaded;
  }

  /** @throws OfframpError PROVIDER_UNAVAILABLE, BUNDLE_GRAPH_MISMATCH, BUNDLE_FILE_CORRUPT. */
  static async open(init: SessionsInit, libraryOf: LibraryOf): Promise<Sessions> {
    return new Sessions(init, libraryOf, await loadAny(init, libraryOf));
  }

  async run(key: string, input: Uint8Array, rows: number): Promise<RunOutput> {
    const graph = this.#loaded.get(key);
    if (graph === undefined) throw new OfframpError('RUNTIME_FAILED', `no graph '${key}' was loaded`);
    return runOnce(graph, input, rows);
  }

  /** All of them or none. */
  async load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    const twin = graphs.find(({ key }) => this.#loaded.has(key));
    if (twin !== undefined)
      throw new OfframpError('RUNTIME_FAILED', `a graph '${twin.key}' is loaded already`);
    const { loaded, warmRuns } = await loadOn(this.#init, this.#libraryOf, this.provider, graphs);
    for (const [key, graph] of loaded) this.#loaded.set(key, graph);
    return warmRuns;
  }

  /** Keys that are not loaded are passed over. */
  async unload(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const graph = this.#loaded.get(key);
      if (graph === undefined) continue;
      this.#loaded.delete(key);
      await release([graph]);
    }
  }

  async release(): Promise<void> {
    await release(this.#loaded.values());
    this.#loaded.clear();
  }
}

/** The graphs on one provider, warm; all of them or none. */
async function loadOn(
  init: SessionsInit,
  libraryOf: LibraryOf,
  provider: Provider,
  graphs: readonly SegmentGraph[],
): Promise<Loaded> {
  const loaded = new Map<string, LoadedGraph>();
  const warmRuns: WarmRun[] = [];
  const library = await libraryOf(provider, init.threads);
  try {
    for (const graph of graphs) {
      const session = await createSession(library, graph, provider, init.threads);
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
  threads: number,
): Promise<ort.InferenceSession> {
  try {
    return await library.InferenceSession.create(graph.bytes, {
      executionProviders: [configured(provider)],
      intraOpNumThreads: threads,
      graphOptimizationLevel: 'all',
      // What is wrong is thrown; a page would have its console filled with what runs beside a GPU and why.
      logSeverityLevel: fatalSeverity,
    });
  } catch (thrown) {
    const reason = reasonOf(thrown);
    // On the CPU a library that has loaded computes: what it cannot load is no graph. In a browser it may not have loaded.
    if ((provider !== 'cpu' && provider !== 'wasm') || reason.startsWith(noBackend)) throw thrown;
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

async function loadAny(init: SessionsInit, libraryOf: LibraryOf): Promise<Loaded> {
  const refusals: string[] = [];
  for (const provider of init.providers) {
    try {
      return await loadOn(init, libraryOf, provider, init.graphs);
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
): Promise<RunOutput> {
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
