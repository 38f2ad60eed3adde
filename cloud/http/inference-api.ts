import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import { type InferRouteOptions, inferRoutes } from './infer-route.ts';
import { Intake } from './intake.ts';
import type { HttpLimits } from './limits.ts';
import { type ModelRoutesOptions, modelRoutes } from './model-routes.ts';
import { type RepositoryRoutesOptions, repositoryRoutes } from './repository-routes.ts';
import { methodsAt, type Route } from './route.ts';
import { TurnNames } from './turn-names.ts';
import { unsupportedRoutes } from './unsupported-routes.ts';

export interface InferenceApiOptions
  extends Omit<InferRouteOptions, 'intake' | 'turns'>,
    ModelRoutesOptions,
    RepositoryRoutesOptions {
  readonly limits: HttpLimits & InferRouteOptions['limits'];
  /** Counts a refusal by its code. */
  readonly onRefused: (code: ErrorCode, request: IncomingMessage) => void;
}

/**
 * The Open Inference Protocol v2 over HTTP, with Triton's extensions for binary tensors, classification, configuration,
 * statistics, schedule policy and repository index.
 */
export class InferenceApi {
  readonly #options: InferenceApiOptions;
  readonly #intake: Intake;

  constructor(options: InferenceApiOptions) {
    this.#options = options;
    this.#intake = new Intake(options.limits);
  }

  /** Inferences without an answer, or whose answer is not yet sent. */
  get inFlight(): number {
    return this.#intake.inFlight;
  }

  /** Answers every inference under way with this error. */
  giveUp(reason: OfframpError): void {
    this.#intake.giveUp(reason);
  }

  /** Registers the routes, all under `/v2`. */
  register(app: FastifyInstance): void {
    const options = { ...this.#options, intake: this.#intake, turns: new TurnNames() };
    const routes = [
      ...modelRoutes(options),
      ...inferRoutes(options),
      ...repositoryRoutes(options),
      ...unsupportedRoutes(),
    ];
    app.register(
      (scope, _options, done) => {
        this.#prepare(scope, routes);
        for (const { operation, url, ...route } of routes) {
          scope.route({ ...route, url: url.slice(prefix.length), config: { operation } });
        }
        done();
      },
      { prefix },
    );
  }

  /** What holds for all routes: bodies are left to the handlers, errors have the protocol's form. */
  #prepare(scope: FastifyInstance, routes: readonly Route[]): void {
    const { identify, onRefused } = this.#options;
    // A binary body may be labelled as JSON, or not at all.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.addHook('onRequest', async ({ raw, routeOptions }) => {
      const access = routeOptions.config.operation?.access ?? 'infer';
      if (access !== 'open') identify(raw, access);
    });
    scope.setErrorHandler((thrown, { log, raw }, reply) => {
      const error = toOfframpError(thrown);
      onRefused(error.code, raw);
      if (error.code === 'INTERNAL')
        log.error({ err: thrown }, 'an inference request failed inside the server');
      if (error.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
      if (closing.has(error.code)) reply.header('connection', 'close');
      if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000));
      reply.code(error.httpStatus).send({ error: error.message, code: error.code });
    });
    scope.setNotFoundHandler(({ method, url }, reply) => {
      const path = url.split('?')[0] ?? '';
      const methods = methodsAt(path, routes);
      const where = 'see docs/inference-protocol.md';
      if (methods.length === 0) throw new OfframpError('NOT_FOUND', `No ${method} ${path} here; ${where}`);
      reply.header('allow', methods.join(', '));
      throw new OfframpError(
        'METHOD_NOT_ALLOWED',
        `${path} takes ${methods.join(' and ')}, got ${method}; ${where}`,
      );
    });
  }
}

const prefix = '/v2';
/** The rest of the body need not come, or the server goes. */
const closing: ReadonlySet<ErrorCode> = new Set(['DRAINING', 'REQUEST_TOO_LARGE']);

/** Fastify's own refusals in our words; what nobody foresaw stays in the log. */
function toOfframpError(thrown: unknown): OfframpError {
  if (thrown instanceof OfframpError) return thrown;
  if (thrown instanceof Error && 'statusCode' in thrown && Number(thrown.statusCode) < 500) {
    return OfframpError.from(thrown, 'INFERENCE_INVALID');
  }
  return new OfframpError('INTERNAL', 'The server failed; its log says more', { cause: thrown });
}
