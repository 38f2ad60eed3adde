export { extensions } from './descriptions.ts';
export { EngineHost, type EngineHostOptions } from './engine-host.ts';
export { InferenceApi, type InferenceApiOptions } from './inference-api.ts';
export type {
  HostTimes,
  InferenceHost,
  InferenceWork,
  SegmentAnswer,
  SegmentWork,
  WholeAnswer,
} from './inference-host.ts';
export { defaultHttpLimits, type HttpLimits } from './limits.ts';
export { type Model, ModelTable } from './models.ts';
export { describeRoutes, type Operation } from './openapi.ts';
export type { RepositoryAdmin } from './repository-routes.ts';
export type { Caller, Identify } from './route.ts';
export { serverOperations } from './server-operations.ts';
export { countingObserver, type ModelStatistics, Statistics } from './statistics.ts';
