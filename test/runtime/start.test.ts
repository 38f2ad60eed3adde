import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SegmentGraph } from '../../shared/runtime/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from './real-bundle.ts';

const bundle = await openRealBundle();
const graphs = segmentGraphs(bundle);

function graphOf(change: (graph: SegmentGraph) => SegmentGraph): SegmentGraph[] {
  return graphs.map((graph, index) => (index === 0 ? change(graph) : graph));
}

/** What this machine has, found out the way the product does. */
async function available(provider: 'cuda' | 'webgpu'): Promise<boolean> {
  try {
    const pool = await startPool(graphs.slice(0, 1), { providers: [provider] });
    await pool.close();
    return true;
  } catch {
    return false;
  }
}

const [cuda, webgpu] = [await available('cuda'), await available('webgpu')];

const Graphs = suite('graphs that do not match the manifest');

const mismatches: readonly [name: string, tensor: string, change: (graph: SegmentGraph) => SegmentGraph][] = [
  [
    'input of another shape',
    'image',
    (graph) => ({ ...graph, input: { ...graph.input, shape: [32, 32, 1] } }),
  ],
  ['input of another rank', 'image', (graph) => ({ ...graph, input: { ...graph.input, shape: [784] } })],
  ['input of another name', 'picture', (graph) => ({ ...graph, input: { ...graph.input, name: 'picture' } })],
  ['input of another dtype', 'image', (graph) => ({ ...graph, input: { ...graph.input, dtype: 'float32' } })],
  [
    'an output that is missing',
    'features',
    (graph) => ({
      ...graph,
      outputs: [...graph.outputs, { name: 'features', dtype: 'float32', shape: [1] }],
    }),
  ],
  [
    'logits of another number of classes',
    'logits',
    (graph) => ({
      ...graph,
      outputs: graph.outputs.map((output) =>
        output.name === 'logits' ? { ...output, shape: [1000] } : output,
      ),
    }),
  ],
];
for (const [name, tensor, change] of mismatches) {
  Graphs(`${name} is BUNDLE_GRAPH_MISMATCH and names graph and tensor`, async () => {
    const error = await rejectsCode(startPool(graphOf(change)), 'BUNDLE_GRAPH_MISMATCH', `'${tensor}'`);
    assert.ok(error.message.includes(segmentKey(bundle.manifest.id, 0)), error.message);
  });
}

Graphs('the second graph is checked as well', async () => {
  const [first, second] = graphs;
  if (first === undefined || second === undefined) throw new Error('the bundle has one segment only');
  const wrong = { ...second, input: { ...second.input, shape: [1, 1, 1] } };
  await rejectsCode(startPool([first, wrong]), 'BUNDLE_GRAPH_MISMATCH', segmentKey(bundle.manifest.id, 1));
});

const broken: readonly [name: string, bytes: (graph: Uint8Array) => Uint8Array][] = [
  ['no bytes', () => new Uint8Array(0)],
  ['text', () => new TextEncoder().encode('<html>not found</html>')],
  ['half a file', (graph) => graph.slice(0, graph.length / 2)],
  ['zeros', (graph) => new Uint8Array(graph.length)],
];
for (const [name, bytes] of broken) {
  Graphs(`${name} instead of an ONNX file is refused with a code and names the graph`, async () => {
    const start = startPool(graphOf((graph) => ({ ...graph, bytes: bytes(graph.bytes) })));
    const codes = ['BUNDLE_FILE_CORRUPT', 'BUNDLE_GRAPH_MISMATCH', 'RUNTIME_FAILED'];
    const error = await start.then(
      () => assert.unreachable('the pool started'),
      (thrown: unknown) => thrown,
    );
    const { code, message } = error as { code: string; message: string };
    // Saying that no provider is there would send the operator looking at drivers.
    assert.ok(codes.includes(code), `${code}: ${message}`);
    assert.ok(message.includes(segmentKey(bundle.manifest.id, 0)), message);
  });
}

Graphs('a bundle that cannot be loaded on two threads leaves none behind', async () => {
  const wrong = graphOf((graph) => ({ ...graph, input: { ...graph.input, shape: [1] } }));
  await rejectsCode(startPool(wrong, { workers: 2 }), 'BUNDLE_GRAPH_MISMATCH');
});

Graphs.run();

const Providers = suite('execution providers');

for (const [provider, there] of [
  ['cuda', cuda],
  ['webgpu', webgpu],
] as const) {
  Providers(`${provider} alone is ${provider} or nothing, never the CPU in silence`, async () => {
    const start = startPool(graphs, { providers: [provider] });
    if (there) {
      const pool = await start;
      assert.is(pool.provider, provider);
      await pool.run(segmentKey(bundle.manifest.id, 0), drawnImage(0), 1);
      await pool.close();
    } else {
      await rejectsCode(start, 'PROVIDER_UNAVAILABLE', provider);
    }
  });
}

Providers('a list goes on to the first that is there and says which', async () => {
  const pool = await startPool(graphs, { providers: ['cuda', 'webgpu', 'cpu'], workers: 2 });
  const expected = cuda ? 'cuda' : webgpu ? 'webgpu' : 'cpu';
  assert.is(pool.provider, expected);
  assert.is(pool.parallel, expected === 'webgpu' ? 1 : 2);
  const { outputs } = await pool.run(segmentKey(bundle.manifest.id, 0), drawnImage(0), 1);
  assert.is(outputs.length, 2);
  await pool.close();
});

Providers('an empty list is refused', async () => {
  await rejectsCode(startPool(graphs, { providers: [] }), 'PROVIDER_UNAVAILABLE');
});

Providers.run();
