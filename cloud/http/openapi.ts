import type { FastifyInstance } from 'fastify';
import { describeRoutes as describe, type Operation as OperationOf } from '../../shared/host/index.ts';
import { type SchemaName, schemas } from './schemas.ts';

type Tag = 'health' | 'inference' | 'models' | 'not supported' | 'repository' | 'server';

/** What the OpenAPI document says of a route; stands beside its handler. */
export type Operation = OperationOf<SchemaName, Tag>;

export interface OpenApiInfo {
  readonly version: string;
  /** Values for the parameters of paths, by name. */
  readonly pathExamples: () => Readonly<Record<string, string>>;
}

/** An OpenAPI document of the server's routes that are registered from now on, each time it is called. */
export function describeRoutes(app: FastifyInstance, info: OpenApiInfo): () => unknown {
  return describe(app, {
    title: 'Offramp cloud server',
    description:
      'Inference by the Open Inference Protocol v2, health and metrics. See docs/inference-protocol.md.',
    ...{ ...info, schemas },
  });
}
