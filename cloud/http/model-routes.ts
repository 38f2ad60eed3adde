import type { Runner } from '../../shared/runtime/index.ts';
import type { BatchingPolicy } from '../batching/index.ts';
import type { ServedBundle } from '../served-bundle.ts';
import { configureModel, describeModel, extensions } from './descriptions.ts';
import type { Model, ModelTable } from './models.ts';
import { ofModel, type Route, type RouteRequest } from './route.ts';
import type { Statistics } from './statistics.ts';

/** What routes that tell about the server and its models need to know. */
export interface ModelRoutesOptions {
  /** The models that are served now. */
  readonly models: () => ModelTable;
  readonly runner: Pick<Runner, 'parallel' | 'provider'>;
  readonly statistics: Statistics;
  /** Whether an inference would be computed. */
  readonly ready: () => boolean;
  readonly policyOf: (served: ServedBundle) => BatchingPolicy;
  readonly version: string;
}

/** The model that a request names. */
export function modelOf(models: ModelTable, { params: { model = '', version } }: RouteRequest): Model {
  return models.get(model, version);
}

/** Why a model is not ready, in words. */
export const notReady = 'the server is stopping, or has nothing to compute with';
const unknownModel = { description: 'no such model or version', schema: 'Error' } as const;

/** Health and metadata of the protocol, and its configuration and statistics extensions. */
export function modelRoutes(options: ModelRoutesOptions): Route[] {
  const { models, runner, statistics, policyOf, version, ready } = options;
  return [
    {
      method: 'GET',
      url: '/v2/health/live',
      operation: {
        ...{ id: 'serverLive', tag: 'health', summary: 'Whether the process answers', access: 'open' },
        answers: { 200: { description: 'it does', schema: 'Live', example: { live: true } } },
      },
      handler: () => ({ live: true }),
    },
    {
      method: 'GET',
      url: '/v2/health/ready',
      operation: {
        ...{ id: 'serverReady', tag: 'health', summary: 'Whether work is taken', access: 'open' },
        answers: {
          200: { description: 'it is', schema: 'ServerReady', example: { live: true, ready: true } },
          503: { description: notReady, schema: 'ServerReady' },
        },
      },
      handler: (_request, reply) => {
        reply.code(ready() ? 200 : 503);
        return { live: true, ready: ready() };
      },
    },
    {
      method: 'GET',
      url: '/v2',
      operation: {
        ...{ id: 'serverMetadata', tag: 'server', summary: 'Name, version and extensions', access: 'infer' },
        answers: {
          200: {
            description: 'what the server is',
            schema: 'ServerMetadata',
            example: { name: 'offramp', version, extensions },
          },
        },
      },
      handler: () => ({ name: 'offramp', version, extensions }),
    },
    ...ofModel('', {
      method: 'GET',
      operation: {
        ...{ id: 'modelMetadata', tag: 'models', summary: 'Inputs and outputs of a model', access: 'infer' },
        answers: {
          200: { description: 'what the model is', schema: 'ModelMetadata' },
          404: unknownModel,
        },
      },
      handler: (request) => describeModel(modelOf(models(), request)),
    }),
    ...ofModel('/ready', {
      method: 'GET',
      operation: {
        ...{ id: 'modelReady', tag: 'models', summary: 'Whether a model takes work', access: 'infer' },
        answers: {
          200: { description: 'it does', schema: 'ModelReady' },
          404: unknownModel,
          503: { description: notReady, schema: 'ModelReady' },
        },
      },
      handler: (request, reply) => {
        const { name } = modelOf(models(), request);
        reply.code(ready() ? 200 : 503);
        return { name, ready: ready() };
      },
    }),
    ...ofModel('/config', {
      method: 'GET',
      operation: {
        ...{ id: 'modelConfig', tag: 'models', summary: "A model's configuration", access: 'infer' },
        description: "In Triton's shape. `parameters` has the bundle, its digest, the classes and the exits.",
        answers: { 200: { description: 'the configuration', schema: 'ModelConfig' }, 404: unknownModel },
      },
      handler: (request) => {
        const model = modelOf(models(), request);
        return configureModel(model, runner, policyOf(model.served));
      },
    }),
    {
      method: 'GET',
      url: '/v2/models/stats',
      operation: {
        ...{ id: 'statistics', tag: 'models', summary: 'Counters of all models', access: 'infer' },
        answers: { 200: { description: 'counters since the start', schema: 'Statistics' } },
      },
      handler: () => ({ model_stats: models().all.map(({ name }) => statistics.of(name)) }),
    },
    ...ofModel('/stats', {
      method: 'GET',
      operation: {
        ...{ id: 'modelStatistics', tag: 'models', summary: 'Counters of a model', access: 'infer' },
        answers: {
          200: { description: 'counters since the start', schema: 'Statistics' },
          404: unknownModel,
        },
      },
      handler: (request) => ({ model_stats: [statistics.of(modelOf(models(), request).name)] }),
    }),
  ];
}
