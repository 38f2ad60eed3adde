import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { Scope } from '../../shared/host/index.ts';
import { consoleOperations } from './operations.ts';
import { makeSnapshot, type SnapshotRequest, type SnapshotSources } from './snapshot.ts';
import type { ConsoleSnapshot } from './snapshot-schema.ts';

export interface ConsoleRoutesOptions {
  readonly sources: SnapshotSources;
  /** @throws OfframpError UNAUTHORIZED, FORBIDDEN, ORIGIN_REFUSED. */
  readonly identify: (request: IncomingMessage, scope: Scope) => { readonly name: string };
  readonly onRefused: (code: ErrorCode) => void;
  /** Bundles that could be loaded; absent without a repository. */
  readonly available?: (() => Promise<readonly string[]>) | undefined;
  /** Begins to stop the server, as a signal does; absent where whoever runs it does not want that. */
  readonly onDrainAsked?: ((client: string) => void) | undefined;
  readonly epochMs: () => number;
}

type SnapshotQuery = FastifyRequest<{ Querystring: { readonly since?: string } }>;

/** A snapshot is shared by all who ask within this time, so that many consoles cost hardly more than one. */
const sharedForMs = 250;

interface Shared {
  readonly madeAtMs: number;
  readonly snapshot: ConsoleSnapshot;
}

/** What the console's page asks for: `GET /v1/console`, and `POST /v1/drain` for administrators. */
export function consoleRoutes(app: FastifyInstance, options: ConsoleRoutesOptions): void {
  const { identify, onRefused, onDrainAsked } = options;
  const snapshotFor = sharingSnapshots(options);
  app.register((scope, _options, done) => {
    // No route here has a body, and none is read.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    scope.addHook('onRequest', async ({ raw, routeOptions }, reply) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      const access = routeOptions.config.operation?.access ?? 'admin';
      if (access !== 'open') identify(raw, access);
    });
    scope.setErrorHandler((thrown, { log }, reply) => {
      const error = toOfframpError(thrown);
      if (error.code === 'INTERNAL') log.error({ err: thrown }, 'the console failed inside the server');
      onRefused(error.code);
      return refuse(error, reply);
    });
    scope.get(
      '/v1/console',
      { config: { operation: consoleOperations.snapshot } },
      (request: SnapshotQuery) => snapshotFor(sinceOf(request), allows(options, request.raw, 'admin')),
    );
    scope.post('/v1/drain', { config: { operation: consoleOperations.drain } }, ({ raw }, reply) => {
      if (onDrainAsked === undefined) {
        throw new OfframpError('NOT_SUPPORTED', 'This server is stopped by a signal only');
      }
      onDrainAsked(identify(raw, 'admin').name);
      return reply.code(202).send({ draining: true });
    });
    done();
  });
}

/** Everything but the history and what the caller may do is the same for all. */
function sharingSnapshots({ sources, available, epochMs }: ConsoleRoutesOptions) {
  let shared: Shared | undefined;
  return async (sinceSecond: number, mayChange: boolean): Promise<ConsoleSnapshot> => {
    const repository = mayChange ? await available?.().catch(() => []) : undefined;
    const request: SnapshotRequest = { epochMs: epochMs(), sinceSecond, mayChange, repository };
    const isFresh = shared !== undefined && Math.abs(request.epochMs - shared.madeAtMs) < sharedForMs;
    if (!isFresh || shared === undefined) {
      shared = { madeAtMs: request.epochMs, snapshot: makeSnapshot(sources, request) };
      return shared.snapshot;
    }
    const history = sources.recorder.history(sinceSecond);
    return { ...shared.snapshot, history, mayChange, repository: repository?.slice(0, 100) ?? null };
  };
}

/** @throws OfframpError REQUEST_INVALID. */
function sinceOf({ query: { since = '0' } }: SnapshotQuery): number {
  if (typeof since === 'string' && /^\d{1,12}$/.test(since)) return Number(since);
  throw new OfframpError('REQUEST_INVALID', 'since: expected whole seconds since the start of the server');
}

function allows({ identify }: ConsoleRoutesOptions, request: IncomingMessage, scope: Scope): boolean {
  try {
    identify(request, scope);
    return true;
  } catch {
    return false;
  }
}

/** Fastify's own refusals in our words; what nobody foresaw stays in the log. */
function toOfframpError(thrown: unknown): OfframpError {
  if (thrown instanceof OfframpError) return thrown;
  if (thrown instanceof Error && 'statusCode' in thrown && Number(thrown.statusCode) < 500) {
    return OfframpError.from(thrown, 'REQUEST_INVALID');
  }
  return new OfframpError('INTERNAL', 'The server failed; its log says more', { cause: thrown });
}

function refuse(error: OfframpError, reply: FastifyReply): FastifyReply {
  if (error.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
  return reply.code(error.httpStatus).send({ error: error.message, code: error.code });
}
