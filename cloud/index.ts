export { type Batch, Batcher, type BatcherLimits, type Ticket } from './batcher.ts';
export { Engine, type EngineObserver, type Work } from './engine.ts';
export { CloudMetrics } from './metrics.ts';
export {
  type Decode,
  type DecoderLimits,
  type DecoderObserver,
  PictureDecoder,
  type SentWork,
} from './picture-decoder.ts';
export { type ServedBundle, serveBundle } from './served-bundle.ts';
export { type CloudLimits, type CloudOptions, CloudServer, defaultCloudLimits } from './server.ts';
export { Session, type SessionHost, type SessionLimits } from './session.ts';
export { type CloudConfig, type RunningCloud, startCloud } from './start.ts';
