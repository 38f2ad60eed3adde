/** A server of the Open Inference Protocol that runs the segments of a bundle; tests tell it how to misbehave. */
import { createHash } from 'node:crypto';
import { modelNameOf, RemoteRunner, type RemoteRunnerOptions } from '../../../cloud/executors/index.ts';
import type { SegmentGraph } from '../../../shared/runtime/index.ts';
import type { WorkerPool } from '../../../shared/runtime/node/index.ts';
import { openRealBundle, segmentGraphs, startPool } from '../../runtime/real-bundle.ts';
import {
  answer,
  clientOf,
  type Handler,
  partsOf,
  type Received,
  serveHttp,
  type TestServer,
} from '../oip-client/servers.ts';

export const bundle = await openRealBundle();
export const graphs = segmentGraphs(bundle);
export const [s0 = '', s1 = ''] = graphs.map(({ key }) => key);

const datatypes = { float32: 'FP32', uint8: 'UINT8' } as const;

/** What a document or an answer is changed to before it is sent, by the path that was asked for. */
export type Edit = (path: string, document: unknown) => unknown;

export interface SegmentServer extends TestServer {
  /** Inference requests that came. */
  readonly inferences: Received[];
}

export interface ServerOptions {
  readonly pool: WorkerPool;
  readonly edit?: Edit;
  /** Takes a request before the server does; `true` when it has been dealt with. */
  readonly before?: (...args: Parameters<Handler>) => boolean | Promise<boolean>;
  readonly port?: number;
  /** What it calls the model of a graph. */
  readonly nameOf?: (key: string) => string;
}

export function startSegmentPool(): Promise<WorkerPool> {
  return startPool(graphs, { maxQueuedRuns: 64 });
}

/** Starts an honest server. */
export async function serveSegments(options: ServerOptions): Promise<SegmentServer> {
  const { edit = (_path, document) => document, before, nameOf = modelNameOf } = options;
  const inferences: Received[] = [];
  const server = await serveHttp(async (request, response) => {
    const { path } = request;
    if (path.endsWith('/infer')) inferences.push(request);
    if (await before?.(request, response)) return;
    const model = graphs.find(({ key }) => path.startsWith(`/v2/models/${nameOf(key)}`));
    const document = path.endsWith('/infer') ? undefined : edit(path, documentOf(path, model, nameOf));
    if (path.endsWith('/infer') && model !== undefined)
      await infer(options.pool, model, nameOf, request, response);
    else if (document === undefined) response.writeHead(404).end('{"error":"not here"}');
    else answer(response, document);
  }, options.port);
  return { ...server, inferences };
}

function documentOf(path: string, graph: SegmentGraph | undefined, nameOf: (key: string) => string): unknown {
  if (path === '/v2') return { name: 'segments', version: '1', extensions: ['binary_tensor_data'] };
  if (path === '/v2/health/ready') return { ready: true };
  if (graph === undefined) return undefined;
  const name = nameOf(graph.key);
  if (path.endsWith('/ready')) return { name, ready: true };
  const sha256 = createHash('sha256').update(graph.bytes).digest('hex');
  if (path.endsWith('/config')) {
    return { name, max_batch_size: 64, parameters: { sha256: { string_value: sha256 } } };
  }
  const tensor = ({ name, dtype, shape }: SegmentGraph['input']) => ({
    name,
    datatype: datatypes[dtype],
    shape: [-1, ...shape],
  });
  return {
    ...{ name, versions: ['1'], platform: 'onnxruntime_onnx' },
    inputs: [tensor(graph.input)],
    outputs: graph.outputs.map(tensor),
  };
}

async function infer(
  pool: WorkerPool,
  graph: SegmentGraph,
  nameOf: (key: string) => string,
  ...[request, response]: Parameters<Handler>
) {
  const { words, tail } = partsOf(request);
  const [input] = words.inputs;
  const isBinary = tail.length > 0;
  const pixels = isBinary ? new Uint8Array(tail) : Uint8Array.from(input?.data ?? [], Number);
  const rows = input?.shape[0] ?? 0;
  const { outputs } = await pool.run(graph.key, pixels, rows);
  const head = { model_name: nameOf(graph.key), model_version: '1', id: words.id };
  const tensors = graph.outputs.map(({ name, dtype, shape }, index) => {
    const data = outputs[index] ?? new Uint8Array(0);
    const one = { name, datatype: datatypes[dtype], shape: [rows, ...shape] };
    if (!isBinary) return { words: { ...one, data: [...data] }, bytes: Buffer.alloc(0) };
    const bytes = Buffer.from(data.buffer);
    return { words: { ...one, parameters: { binary_data_size: bytes.length } }, bytes };
  });
  const document = { ...head, outputs: tensors.map(({ words }) => words) };
  answer(response, document, isBinary ? Buffer.concat(tensors.map(({ bytes }) => bytes)) : undefined);
}

/** Starts a runner on a server; `change` overrides its options. */
export function startRunner(
  server: Pick<TestServer, 'url'>,
  change: Partial<RemoteRunnerOptions> = {},
): Promise<RemoteRunner> {
  return RemoteRunner.start({
    client: clientOf(server),
    graphs,
    parallel: 2,
    maxRows: 64,
    pollMs: 60_000,
    ...change,
  });
}

/** Images of no meaning, different from row to row. */
export function images(rows: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: rows * 28 * 28 }, (_, at) => (at * 31 + Math.floor(at / 784) * 7) % 256);
}
