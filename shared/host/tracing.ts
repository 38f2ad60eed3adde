import type { Tracer as OtelTracer, Span } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { OfframpError, reasonOf } from '../errors.ts';
import type { TraceParent, Tracer, TraceSpan } from '../trace/index.ts';

export interface TracingOptions {
  /** Where an OpenTelemetry collector takes OTLP over HTTP, such as `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** Share of what begins here that is recorded, 0 to 1; what comes with a parent goes by that. */
  readonly share: number;
  /** For instance `offramp-edge`. */
  readonly service: string;
  readonly version: string;
  /** Told once when spans cannot be delivered, and with nothing when they can again. */
  readonly onChange: (problem: string | undefined) => void;
}

export interface Tracing {
  readonly tracer: Tracer;
  /** Delivers what there is, for a few seconds at most. */
  stop(): Promise<void>;
}

/** Spans that wait for delivery; beyond it they are dropped, so that a collector which is away costs no memory. */
const maxQueuedSpans = 4096;
const deliveryTimeoutMs = 3000;
const tracesPath = 'v1/traces';

/**
 * Sends spans to an OpenTelemetry collector. Its packages are loaded here and nowhere else: who does not trace does not pay.
 * @throws OfframpError CONFIG_INVALID when they are not installed, or the endpoint is no URL.
 */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const { share, service, version, onChange } = options;
  const url = tracesUrl(options.endpoint);
  const { api, sdk, resources, otlp } = await loadPackages();
  const exporter = new otlp.OTLPTraceExporter({ url, timeoutMillis: deliveryTimeoutMs });
  const provider = new sdk.TracerProvider({
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) }),
    resource: resources.resourceFromAttributes({ 'service.name': service, 'service.version': version }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: watched(exporter, onChange),
        maxQueueSize: maxQueuedSpans,
        exportTimeoutMillis: deliveryTimeoutMs,
      }),
    ],
  });
  const tracer = new HostTracer(api, provider.getTracer('offramp', version));
  return { tracer, stop: () => provider.shutdown().catch(() => {}) };
}

type Api = typeof import('@opentelemetry/api');

async function loadPackages() {
  try {
    const [api, sdk, resources, otlp] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ]);
    return { api, sdk, resources, otlp };
  } catch (cause) {
    const message = `Tracing needs the optional packages @opentelemetry/*: npm install without --omit=optional (${reasonOf(cause)})`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
}

/** A collector's address as people have it, or the very place that takes traces. */
function tracesUrl(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const message = `An address for traces '${endpoint}', expected one like http://127.0.0.1:4318`;
    throw new OfframpError('CONFIG_INVALID', message);
  }
  if (url.pathname.endsWith(`/${tracesPath}`)) return url.href;
  const folder = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  return new URL(`${folder}${tracesPath}`, url).href;
}

function watched(exporter: SpanExporter, onChange: TracingOptions['onChange']): SpanExporter {
  let failing = false;
  return {
    export(spans: ReadableSpan[], done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined || result.code !== 0;
        if (failed !== failing) {
          failing = failed;
          onChange(failed ? reasonOf(result.error ?? 'the collector refuses them') : undefined);
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush !== undefined && {
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    }),
  };
}

class HostTracer implements Tracer {
  readonly #api: Api;
  readonly #tracer: OtelTracer;

  constructor(api: Api, tracer: OtelTracer) {
    this.#api = api;
    this.#tracer = tracer;
  }

  start(name: string, atMs: number, parent?: TraceParent): TraceSpan | undefined {
    const { ROOT_CONTEXT, SpanKind, TraceFlags, trace } = this.#api;
    const context =
      parent === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            ...{ traceId: parent.traceId, spanId: parent.spanId, isRemote: true },
            traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
          });
    const options = { startTime: epochMs(atMs), kind: SpanKind.SERVER };
    const span = this.#tracer.startSpan(name, options, context);
    return span.isRecording() ? new HostSpan(this.#api, this.#tracer, span) : undefined;
  }
}

class HostSpan implements TraceSpan {
  readonly parent: TraceParent;
  readonly #api: Api;
  readonly #tracer: OtelTracer;
  readonly #span: Span;

  constructor(api: Api, tracer: OtelTracer, span: Span) {
    const { traceId, spanId } = span.spanContext();
    this.parent = { traceId, spanId, sampled: true };
    this.#api = api;
    this.#tracer = tracer;
    this.#span = span;
  }

  part(name: string, startMs: number, endMs: number): void {
    const { ROOT_CONTEXT, trace } = this.#api;
    const context = trace.setSpan(ROOT_CONTEXT, this.#span);
    this.#tracer.startSpan(name, { startTime: epochMs(startMs) }, context).end(epochMs(endMs));
  }

  end(atMs: number, attributes: Parameters<TraceSpan['end']>[1], problem?: string): void {
    for (const [name, value] of Object.entries(attributes)) {
      this.#span.setAttribute(name, typeof value === 'object' ? [...value] : value);
    }
    if (problem !== undefined) {
      this.#span.setAttribute('error.type', problem);
      this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: problem });
    }
    this.#span.end(epochMs(atMs));
  }
}

/** The time of day of a moment on the process's monotonic clock. */
function epochMs(monotonicMs: number): number {
  return performance.timeOrigin + monotonicMs;
}
