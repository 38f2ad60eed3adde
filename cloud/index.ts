export {
  type Batch,
  Batcher,
  type BatcherLimits,
  type BatchingBounds,
  type BatchingPolicy,
  type Choice,
  type Costs,
  DurationModel,
  type LaneView,
  parseBatchingPolicy,
  type Scheduler,
  type Ticket,
} from './batching/index.ts';
export { type Client, Clients, type ClientsOptions, type Credentials } from './clients.ts';
export {
  type AssetSource,
  assetNames,
  builtFiles,
  type ConsoleSnapshot,
  DeviceTally,
} from './console/index.ts';
export { Engine, type EngineObserver, type EngineOptions, type LaneState } from './engine.ts';
export { RemoteRunner, type RemoteRunnerOptions, type RemoteServer } from './executors/index.ts';
export { type CloudLimits, defaultCloudLimits } from './limits.ts';
export { CloudMetrics } from './metrics.ts';
export { type AccessOptions, Perimeter } from './perimeter.ts';
export {
  type Decode,
  type DecoderLimits,
  type DecoderObserver,
  PictureDecoder,
  type SentWork,
} from './picture-decoder.ts';
export { type SchedulerName, schedulerNamed, schedulerNames } from './scheduling/index.ts';
export { type ServedBundle, serveBundle } from './served-bundle.ts';
export { type CloudOptions, CloudServer } from './server.ts';
export { Session, type SessionHost, type SessionLimits } from './session.ts';
export { type CloudConfig, type RunningCloud, startCloud } from './start.ts';
export { readTls, type TlsFiles, type TlsMaterial } from './tls.ts';
export type { TensorResult, TensorWork, Work } from './work.ts';
