/** One trace across agent and server, as a collector gets it over OTLP. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnServer } from '../../scripts/processes.ts';
import { drawnImage } from '../runtime/real-bundle.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

interface Collected extends OtlpSpan {
  readonly service: string;
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan['attributes'] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

/** Takes OTLP over HTTP as a collector does, and keeps the spans. */
class Collector {
  readonly spans: Collected[] = [];
  readonly paths = new Set<string>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.paths.add(request.url ?? '');
        this.#keep(JSON.parse(Buffer.concat(chunks).toString()));
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #keep({ resourceSpans }: OtlpRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const name = resource.attributes.find(({ key }) => key === 'service.name')?.value;
      const service = String(name?.stringValue);
      for (const { spans } of scopeSpans) this.spans.push(...spans.map((span) => ({ ...span, service })));
    }
  }
}

const collector = new Collector();
const endpoint = await collector.listen();
const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const images = 40;

function classify(url: string, index: number, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', ...headers },
    body: drawnImage(index),
  });
}

const Tracing = suite('traces');

Tracing.after(() => collector.close());

Tracing(
  'an image that the cloud finishes is one trace, from its caller through agent and server',
  async () => {
    const tracing = ['--otlp-endpoint', endpoint, '--trace-share', '0', '--log-level', 'warn'];
    const cloud = await spawnServer(['cloud', '--port', '0', ...tracing], { stderr: 'inherit' });
    const link = ['--cloud', cloud.url.replace('http:', 'ws:')];
    const edge = await spawnServer(['edge', '--port', '0', ...link, ...tracing], { stderr: 'inherit' });
    const routes: string[] = [];
    for (let index = 0; index < images || !routes.includes('features'); index++) {
      assert.ok(index < 600, 'no image went to the cloud');
      const response = await classify(edge.url, index, {
        traceparent: `00-${trace.traceId}-${trace.spanId}-01`,
      });
      const { answers }: { readonly answers: readonly { readonly route: string }[] } = await response.json();
      routes.push(answers[0]?.route ?? '');
    }
    // Without a parent, and a share of 0, nothing is recorded.
    await classify(edge.url, 0);
    await edge.stop();
    await cloud.stop();

    assert.equal([...collector.paths], ['/v1/traces']);
    const roots = collector.spans.filter(({ name }) => name === 'classify');
    assert.is(roots.length, routes.length);
    assert.ok(collector.spans.every(({ traceId }) => traceId === trace.traceId));
    assert.ok(
      roots.every(({ parentSpanId, service }) => parentSpanId === trace.spanId && service === 'offramp-edge'),
    );
    const inferences = collector.spans.filter(({ name }) => name === 'infer');
    assert.is(inferences.length, routes.filter((route) => route === 'features').length);
    for (const inference of inferences) {
      assert.is(inference.service, 'offramp-cloud');
      const root = roots.find(({ spanId }) => spanId === inference.parentSpanId);
      assert.ok(root, "the server's span hangs at no image's");
      assert.ok(partsOf(root).includes('cloud'), partsOf(root).join(' '));
      assert.equal(partsOf(inference), ['queue', 'run']);
      assert.is(attribute(inference, 'offramp.cut'), 1);
      assert.is(attribute(root, 'offramp.route'), 'features');
      // Two processes, one machine: the server's span lies inside the device's, but for the clocks' own start.
      const slackNanos = 5_000_000n;
      assert.ok(BigInt(inference.startTimeUnixNano) + slackNanos >= BigInt(root.startTimeUnixNano));
      assert.ok(BigInt(inference.endTimeUnixNano) <= BigInt(root.endTimeUnixNano) + slackNanos);
    }
  },
);

Tracing('a collector that is away costs nothing but a line in the log', async () => {
  const nowhere = ['--otlp-endpoint', 'http://127.0.0.1:9', '--trace-share', '1', '--log-level', 'silent'];
  const edge = await spawnServer(['edge', '--port', '0', ...nowhere], { stderr: 'inherit' });
  for (let index = 0; index < 5; index++) assert.is((await classify(edge.url, index)).status, 200);
  assert.is(await edge.stop(), 0);
});

Tracing.run();

/** Names of the parts of a span, in the order in which they began. */
function partsOf({ spanId }: Collected): string[] {
  const parts = collector.spans.filter(
    ({ parentSpanId, name }) => parentSpanId === spanId && name !== 'infer',
  );
  parts.sort((one, other) => Number(BigInt(one.startTimeUnixNano) - BigInt(other.startTimeUnixNano)));
  return parts.map(({ name }) => name);
}

function attribute({ attributes }: Collected, name: string): unknown {
  const value = attributes.find(({ key }) => key === name)?.value ?? {};
  return value.intValue ?? value.stringValue ?? value.boolValue;
}
