import type { FastifyInstance } from 'fastify';
import type { Scope } from '../../shared/host/index.ts';
import { type SchemaName, schemas } from './schemas.ts';

/** A body in the OpenAPI document. */
export interface DescribedBody {
  readonly schema?: SchemaName;
  /** Media type, JSON when absent. */
  readonly type?: string;
  readonly example?: unknown;
}

export interface DescribedAnswer extends DescribedBody {
  readonly description: string;
}

/** What the OpenAPI document says of a route; stands beside its handler. */
export interface Operation {
  /** Unique in the document. */
  readonly id: string;
  readonly tag: 'health' | 'inference' | 'models' | 'not supported' | 'repository' | 'server';
  readonly summary: string;
  readonly description?: string;
  /** What a caller's token has to allow, where the server has tokens; `open` asks for none. */
  readonly access: 'open' | Scope;
  readonly request?: readonly DescribedBody[];
  readonly answers: Readonly<Record<number, DescribedAnswer>>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation;
  }
}

interface DescribedRoute {
  readonly method: string;
  readonly path: string;
  /** Absent: nobody has said what the route does, which a test finds. */
  readonly operation: Operation | undefined;
}

export interface OpenApiInfo {
  readonly version: string;
  /** Values for the parameters of paths, by name. */
  readonly pathExamples: () => Readonly<Record<string, string>>;
}

/**
 * Listens to the routes that are registered from now on, in `app` and in what is registered in it.
 * @returns an OpenAPI 3.1 document of all of them, each time it is called.
 */
export function describeRoutes(app: FastifyInstance, info: OpenApiInfo): () => unknown {
  const routes: DescribedRoute[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    // Fastify adds HEAD to every GET by itself.
    for (const one of [method].flat().filter((name) => name !== 'HEAD')) {
      routes.push({ method: one.toLowerCase(), path: url, operation: config?.operation });
    }
  });
  return () => documentOf(routes, info);
}

function documentOf(routes: readonly DescribedRoute[], { version, pathExamples }: OpenApiInfo): unknown {
  const examples = pathExamples();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, path, operation } of routes) {
    const place = path.replaceAll(/:(\w+)/g, '{$1}');
    const described =
      operation === undefined ? { responses: {} } : operationObject(path, operation, examples);
    paths[place] = { ...paths[place], [method]: described };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Offramp cloud server',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'Inference by the Open Inference Protocol v2, health and metrics. See docs/inference-protocol.md.',
    },
    paths,
    components: {
      schemas,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operationObject(
  path: string,
  { id, tag, summary, description, access, request, answers }: Operation,
  examples: Readonly<Record<string, string>>,
): unknown {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(names.length > 0 && { parameters: names.map((name) => pathParameter(name, examples[name])) }),
    ...(request !== undefined && { requestBody: { content: contentOf(request) } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
      ...(access !== 'open' && {
        401: response({ description: 'no token, or none that is known', schema: 'Error' }),
      }),
    },
    // Without tokens, on loopback, everybody is let in.
    security: access === 'open' ? [] : [{ token: [] }, {}],
  };
}

function pathParameter(name: string, example: string | undefined): unknown {
  return {
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(example !== undefined && { example }),
  };
}

function response(answer: DescribedAnswer): unknown {
  const { description } = answer;
  const hasBody = answer.schema !== undefined || answer.type !== undefined;
  return hasBody ? { description, content: contentOf([answer]) } : { description };
}

function contentOf(bodies: readonly DescribedBody[]): unknown {
  return Object.fromEntries(
    bodies.map(({ schema, type = 'application/json', example }) => [
      type,
      {
        ...(schema !== undefined && { schema: { $ref: `#/components/schemas/${schema}` } }),
        ...(example !== undefined && { example }),
      },
    ]),
  );
}
