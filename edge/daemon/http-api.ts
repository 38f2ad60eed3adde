import multipart from '@fastify/multipart';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Bundle } from '../../shared/bundle/index.ts';
import { type ErrorCode, errorKind, OfframpError } from '../../shared/errors.ts';
import type { TokenCheck } from '../../shared/host/index.ts';
import type { Agent, Answer, Uplink } from '../agent/index.ts';
import { decodeImage, type ResizeMode } from './decode-image.ts';
import type { EdgeMetrics } from './metrics.ts';
import { maxImagesPerRequest, requestImages, type SentImage } from './request-images.ts';

export interface HttpApiOptions {
  readonly agent: Agent;
  readonly bundle: Bundle;
  readonly uplink: Uplink | undefined;
  readonly metrics: EdgeMetrics;
  readonly authorised: TokenCheck;
  readonly resize: ResizeMode;
  readonly provider: string;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
}

interface ErrorWords {
  readonly code: ErrorCode;
  readonly message: string;
}

interface ImageReply {
  readonly id: string;
  readonly answer?: Answer | undefined;
  readonly error?: ErrorWords | undefined;
}

const maxBodyBytes = 32 * 1024 * 1024;

/** The daemon's local HTTP API: `POST /v1/classify`, `GET /v1/status`, health and metrics. */
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
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (request) => {
    if (request.url.startsWith('/v1/')) authorise(request, options.authorised);
  });
  app.setErrorHandler((thrown, _request, reply) => {
    const error = toOfframpError(thrown);
    metrics.onRefused(error.code);
    if (error.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
    if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000));
    reply.code(error.httpStatus).send({ error: words(error) });
  });
  app.setNotFoundHandler((request) => {
    throw new OfframpError('NOT_FOUND', `No ${request.method} ${request.url} here; see docs/operating.md`);
  });
  app.get('/livez', () => ({ live: true }));
  app.get('/readyz', () => ({ ready: true, provider: options.provider }));
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
  app.get('/v1/status', () => status(options));
  app.post('/v1/classify', async (request, reply) => {
    const replies = await classify(request, options);
    const failed = replies.length === 1 ? replies[0]?.error : undefined;
    if (failed !== undefined) return reply.code(errorKind(failed.code).httpStatus).send({ error: failed });
    return { answers: replies.map(toJson) };
  });
  return app;
}

/** Every image of a request stands for itself: one that cannot be read takes nothing from the others. */
async function classify(request: FastifyRequest, options: HttpApiOptions): Promise<ImageReply[]> {
  const { bundle, metrics } = options;
  const { shape } = bundle.manifest.input;
  const budgetMs = budgetOf(request);
  const images = await requestImages(
    request,
    shape.reduce((product, size) => product * size, 1),
  );
  return Promise.all(
    images.map(async (image) => {
      try {
        const answer = await classifyOne(image, budgetMs, options);
        metrics.onAnswer(answer);
        return { id: image.id, answer };
      } catch (thrown) {
        const error = OfframpError.from(thrown);
        metrics.onRefused(error.code);
        return { id: image.id, error: words(error) };
      }
    }),
  );
}

async function classifyOne(
  { kind, bytes }: SentImage,
  budgetMs: number | undefined,
  { agent, bundle, resize }: HttpApiOptions,
): Promise<Answer> {
  const image = kind === 'raw' ? bytes : await decodeImage(bytes, bundle.manifest.input.shape, resize);
  return agent.classify(image, budgetMs === undefined ? {} : { budgetMs });
}

function budgetOf(request: FastifyRequest): number | undefined {
  const { budgetMs } = request.query as { budgetMs?: string };
  if (budgetMs === undefined) return undefined;
  const value = Number(budgetMs);
  if (value > 0 && value <= 600_000) return value;
  throw new OfframpError(
    'IMAGE_INVALID',
    `budgetMs '${budgetMs}', expected a number above 0 and at most 600000`,
  );
}

function authorise(request: FastifyRequest, authorised: TokenCheck): void {
  const header = request.headers.authorization;
  const token = header?.startsWith('Bearer ') ? header.slice('Bearer '.length) : undefined;
  if (authorised(token)) return;
  const got = header === undefined ? 'no Authorization header' : 'a token that is not known';
  throw new OfframpError(
    'UNAUTHORIZED',
    `Got ${got}, expected "Authorization: Bearer" with one of the daemon's tokens`,
  );
}

function status({ agent, bundle, uplink, provider, version }: HttpApiOptions): unknown {
  const { id, version: bundleVersion, exits } = bundle.manifest;
  return {
    version,
    provider,
    bundle: { id, version: bundleVersion, digest: bundle.digest, exits },
    inFlight: agent.inFlight,
    cloud: uplink && {
      connected: uplink.connected,
      server: uplink.welcome?.server,
      lateAnswers: uplink.lateAnswers,
      problem: uplink.connected ? undefined : words(uplink.lastError),
    },
  };
}

function toJson({ id, answer, error }: ImageReply): unknown {
  return answer === undefined
    ? { id, error }
    : { id, ...answer, probabilities: Array.from(answer.probabilities) };
}

function words({ code, message }: OfframpError): ErrorWords {
  return { code, message };
}

/** Fastify's own refusals, in our words. */
function toOfframpError(thrown: unknown): OfframpError {
  if (!(thrown instanceof Error) || !('statusCode' in thrown)) return OfframpError.from(thrown);
  if (thrown.statusCode === 413) {
    return new OfframpError('IMAGE_TOO_LARGE', `The body is larger than ${maxBodyBytes} bytes`, {
      cause: thrown,
    });
  }
  return OfframpError.from(thrown, Number(thrown.statusCode) < 500 ? 'IMAGE_INVALID' : 'INTERNAL');
}
