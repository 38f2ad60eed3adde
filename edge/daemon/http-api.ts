import multipart from '@fastify/multipart';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Bundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import {
  type Admission,
  describeRoutes,
  type ResizeMode,
  type ServedPage,
  servePage,
} from '../../shared/host/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import { parseTraceparent } from '../../shared/trace/index.ts';
import type {
  Answer,
  Auditor,
  ClassifyOptions,
  Endpoints,
  ExitShareMonitor,
  FixedThresholds,
  Pilot,
} from '../agent/index.ts';
import { answerJson, errorWords } from './answer-json.ts';
import type { EdgeMetrics } from './metrics.ts';
import { operations } from './operations.ts';
import { pictureSource } from './picture-source.ts';
import { maxImagesPerRequest, requestImages, type SentImage } from './request-images.ts';
import { schemas } from './schemas.ts';
import type { RunningAgent } from './start-agent.ts';

export interface HttpApiOptions {
  readonly agent: RunningAgent['agent'];
  /** Absent where the plan is fixed. */
  readonly pilot?: Pilot | undefined;
  /** Absent where the calibration or the plan has its own. */
  readonly thresholds?: FixedThresholds | undefined;
  /** How many times as long as on this machine a run takes; absent: 1. */
  readonly slowdown?: number | undefined;
  readonly segmentMs?: readonly number[] | undefined;
  readonly bundle: Bundle;
  readonly runner: Runner;
  /** All servers as one; absent on a device that stands alone. */
  readonly cloud: Endpoints | undefined;
  readonly uplinks: RunningAgent['uplinks'];
  /** Absent where nothing is audited. */
  readonly auditor?: Auditor | undefined;
  /** Absent where the calibration says nothing of it. */
  readonly exitShare?: ExitShareMonitor | undefined;
  readonly metrics: EdgeMetrics;
  readonly admit: Admission;
  /** Absent: no page is served. */
  readonly page?: ServedPage | undefined;
  readonly resize: ResizeMode;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
}

interface ImageReply {
  readonly id: string;
  readonly answer?: Answer | undefined;
  readonly error?: OfframpError | undefined;
}

/** A large camera's JPEG; reading more than this would hold up everybody else's requests. */
const maxBodyBytes = 8 * 1024 * 1024;
/** JSON is parsed in one go on the thread that owns the sockets. */
const maxJsonBytes = 2 * 1024 * 1024;

/** The daemon's local HTTP API: `POST /v1/classify`, `GET /v1/status`, health, metrics, and a description of itself. */
export function httpApi(options: HttpApiOptions): FastifyInstance {
  const { metrics, logger } = options;
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    requestTimeout: 30_000,
    keepAliveTimeout: 10_000,
  });
  app.register(multipart, { limits: { files: maxImagesPerRequest, fileSize: maxBodyBytes, fields: 8 } });
  // Every body is bytes, text too: what it is good for is decided in one place.
  app.removeContentTypeParser(['text/plain', 'application/json']);
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: maxJsonBytes }, parseJson);
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  let isStopping = false;
  app.addHook('preClose', async () => {
    isStopping = true;
  });
  // A client that keeps its connection would hold up the stop until it is idle for long enough.
  app.addHook('onSend', async (_request, reply) => {
    if (isStopping) reply.header('connection', 'close');
  });
  app.addHook('onRequest', async (request) => {
    // By the route that was found: the URL may be written in many ways.
    const refusal = request.routeOptions.url?.startsWith('/v1/') ? options.admit(request.headers) : undefined;
    if (refusal !== undefined) throw refusal;
  });
  app.setErrorHandler((thrown, _request, reply) => {
    const error = toOfframpError(thrown);
    metrics.onRefused(error.code);
    if (error.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
    if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000));
    reply.code(error.httpStatus).send({ error: errorWords(error) });
  });
  app.setNotFoundHandler((request) => {
    throw new OfframpError('NOT_FOUND', `No ${request.method} ${request.url} here; see docs/operating.md`);
  });
  // Before routes are described: the page is no part of the API.
  if (options.page !== undefined) servePage(app, options.page);
  const document = describeRoutes(app, {
    ...{ title: 'Offramp edge agent', description: 'Answers images. See docs/operating.md.' },
    ...{ version: options.version, schemas },
  });
  app.get('/openapi.json', { config: { operation: operations.openApi } }, () => document());
  app.get('/livez', { config: { operation: operations.live } }, () => ({ live: true }));
  app.get('/readyz', { config: { operation: operations.ready } }, (_request, reply) => {
    const ready = options.runner.parallel > 0;
    reply.code(ready ? 200 : 503);
    return { ready, provider: options.runner.provider };
  });
  app.get('/metrics', { config: { operation: operations.metrics } }, async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
  app.get('/v1/status', { config: { operation: operations.status } }, () => status(options));
  app.post('/v1/classify', { config: { operation: operations.classify } }, async (request) => {
    const replies = await classify(request, options);
    const alone = replies.length === 1 ? replies[0]?.error : undefined;
    if (alone !== undefined) throw alone;
    for (const { error } of replies) {
      if (error !== undefined) metrics.onRefused(error.code);
    }
    return { answers: replies.map(toJson) };
  });
  return app;
}

/** Every image of a request stands for itself: one that cannot be read takes nothing from the others. */
async function classify(request: FastifyRequest, options: HttpApiOptions): Promise<ImageReply[]> {
  const { bundle, metrics } = options;
  const { shape } = bundle.manifest.input;
  const budgetMs = budgetOf(request);
  const trace = parseTraceparent(String(request.headers.traceparent ?? ''));
  const asked = { ...(budgetMs !== undefined && { budgetMs }), ...(trace !== undefined && { trace }) };
  const images = await requestImages(request, {
    rawImageBytes: shape.reduce((product, size) => product * size, 1),
    maxBodyBytes,
  });
  return Promise.all(
    images.map(async (image) => {
      try {
        const answer = await classifyOne(image, asked, options);
        metrics.onAnswer(answer);
        return { id: image.id, answer };
      } catch (thrown) {
        return { id: image.id, error: OfframpError.from(thrown) };
      }
    }),
  );
}

async function classifyOne(
  { kind, bytes }: SentImage,
  asked: ClassifyOptions,
  { agent, bundle, resize }: HttpApiOptions,
): Promise<Answer> {
  const { shape } = bundle.manifest.input;
  const source = kind === 'raw' ? bytes : pictureSource(bytes, shape, resize);
  return agent.classify(source, asked);
}

function budgetOf(request: FastifyRequest): number | undefined {
  const { budgetMs } = request.query as { budgetMs?: string };
  if (budgetMs === undefined) return undefined;
  const value = Number(budgetMs);
  if (value > 0 && value <= 600_000) return value;
  throw new OfframpError(
    'BUDGET_INVALID',
    `budgetMs '${budgetMs}', expected a number above 0 and at most 600000`,
  );
}

function status(options: HttpApiOptions): unknown {
  const { agent, auditor, bundle, runner, cloud, uplinks, pilot, version } = options;
  const { exitShare, thresholds, slowdown = 1, segmentMs } = options;
  const { id, version: bundleVersion, exits } = bundle.manifest;
  return {
    version,
    provider: runner.provider,
    slowdown: slowdown === 1 ? undefined : slowdown,
    segmentMs,
    bundle: { id, version: bundleVersion, digest: bundle.digest, exits },
    inFlight: agent.inFlight,
    thresholds,
    plan: pilot && planOf(pilot),
    audit: auditor?.status,
    exitShare: exitShare?.figures,
    cloud: cloud && {
      connected: cloud.connected,
      problem: cloud.problem && errorWords(cloud.problem),
      hedges: cloud.hedges,
      servers: uplinks.map(({ url, uplink }, index) => ({
        url,
        connected: uplink.connected,
        server: uplink.welcome?.server,
        lateAnswers: uplink.lateAnswers,
        ...linkOf(cloud, index),
        problem: uplink.connected ? undefined : errorWords(uplink.lastError),
      })),
    },
  };
}

/** The plan that is followed, and what it is foreseen to cost and to reach. */
function planOf({ choice, changes }: Pilot): unknown {
  if (choice === undefined) return { changes };
  const { plan, latency, accuracy, deviceShare, bytes } = choice.prediction;
  return { key: plan.key, changes, predicted: { latency, accuracy, deviceShare, bytes } };
}

/** What the traffic has told of the way to a server; nothing before the first answer. */
function linkOf(cloud: Endpoints, index: number): { readonly link?: unknown } {
  const figures = cloud.linkFigures(index);
  if (figures === undefined || figures.observations === 0) return {};
  const { rttMs, uplinkBitsPerSecond, observations } = figures;
  return { link: { rttMs, uplinkBitsPerSecond, observations } };
}

function toJson({ id, answer, error }: ImageReply): unknown {
  return answer === undefined ? { id, error: error && errorWords(error) } : { id, ...answerJson(answer) };
}

/** Fastify's own refusals, in our words. */
function toOfframpError(thrown: unknown): OfframpError {
  if (!(thrown instanceof Error) || !('statusCode' in thrown)) return OfframpError.from(thrown);
  if (thrown.statusCode === 413) {
    const message = `The body is larger than ${maxBodyBytes} bytes (JSON: ${maxJsonBytes})`;
    return new OfframpError('IMAGE_TOO_LARGE', message, { cause: thrown });
  }
  return OfframpError.from(thrown, Number(thrown.statusCode) < 500 ? 'IMAGE_INVALID' : 'INTERNAL');
}
