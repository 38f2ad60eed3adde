import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Scope } from '../../shared/host/index.ts';
import type { Operation } from './openapi.ts';

/** Parameters of a path, as far as it has them. */
export interface PathParameters {
  readonly model?: string;
  readonly version?: string;
}

/** Who makes a request. */
export interface Caller {
  /** Requests of one name on one connection take turns with the others as one. */
  readonly name: string;
  /**
   * Takes a request of so many rows. Call `end` once for each.
   * @throws OfframpError RATE_LIMITED.
   */
  begin(rows: number): void;
  end(): void;
}

/**
 * Says who makes a request, by its headers and its connection.
 * @throws OfframpError UNAUTHORIZED, FORBIDDEN, or whatever else speaks against the caller.
 */
export type Identify = (request: IncomingMessage, scope: Scope) => Caller;

export type RouteRequest = FastifyRequest<{ Params: PathParameters }>;

/** A route of the inference protocol: what it answers, and what the OpenAPI document says of it. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** Path with `:parameters`. */
  readonly url: string;
  readonly operation: Operation;
  readonly handler: (request: RouteRequest, reply: FastifyReply) => unknown;
}

/** The same route for a model and for a version of it, which are two paths in the protocol. */
export function ofModel(suffix: string, route: Omit<Route, 'url'>): Route[] {
  const { operation } = route;
  return [
    { ...route, url: `/v2/models/:model${suffix}` },
    {
      ...route,
      url: `/v2/models/:model/versions/:version${suffix}`,
      operation: {
        ...operation,
        id: `${operation.id}Version`,
        summary: `${operation.summary}, of a version`,
      },
    },
  ];
}

/** Methods that are taken at a path, by the routes that match it; none when there is no such path. */
export function methodsAt(path: string, routes: readonly Route[]): string[] {
  const matching = routes.filter(({ url }) => patternOf(url).test(path));
  return matching.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}

function patternOf(url: string): RegExp {
  const segments = url.split('/').map((segment) => (segment.startsWith(':') ? '[^/]+' : segment));
  return new RegExp(`^${segments.join('/')}$`);
}
