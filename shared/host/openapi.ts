import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import type { Scope } from './token-lines.ts';

/** A body in the OpenAPI document; its schema is one of the document's, by name. */
export interface DescribedBody<Schema extends string = string> {
  readonly schema?: Schema;
  /** Media type, JSON when absent. */
  readonly type?: string;
  readonly example?: unknown;
}

export interface DescribedAnswer<Schema extends string = string> extends DescribedBody<Schema> {
  readonly description: string;
}

/** A parameter of the query; none has to be given. */
export interface DescribedParameter {
  readonly name: string;
  readonly description: string;
  readonly schema: TSchema;
  readonly example?: unknown;
}

/** What the OpenAPI document says of a route; stands beside its handler. */
export interface Operation<Schema extends string = string, Tag extends string = string> {
  /** Unique in the document. */
  readonly id: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  /** What a caller's token has to allow, where the server has tokens; `open` asks for none. */
  readonly access: 'open' | Scope;
  readonly query?: readonly DescribedParameter[];
  readonly request?: readonly DescribedBody<Schema>[];
  readonly answers: Readonly<Record<number, DescribedAnswer<Schema>>>;
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
  readonly title: string;
  readonly description: string;
  readonly version: string;
  /** By the names that operations use. */
  readonly schemas: Readonly<Record<string, TSchema>>;
  /** Values for the parameters of paths, by name. */
  readonly pathExamples?: () => Readonly<Record<string, string>>;
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

function documentOf(routes: readonly DescribedRoute[], info: OpenApiInfo): unknown {
  const { title, description, version, schemas, pathExamples } = info;
  const examples = pathExamples?.() ?? {};
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
      title,
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description,
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
  { id, tag, summary, description, access, query = [], request, answers }: Operation,
  examples: Readonly<Record<string, string>>,
): unknown {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  const parameters = [
    ...names.map((name) => pathParameter(name, examples[name])),
    ...query.map((parameter) => ({ ...parameter, in: 'query' })),
  ];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(parameters.length > 0 && { parameters }),
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
