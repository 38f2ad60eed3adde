export {
  type GraphTensor,
  type LoadingRunner,
  type Provider,
  providers,
  type Runner,
  type RunnerProvider,
  type RunOutput,
  type SegmentGraph,
  type WarmRun,
} from './runner.ts';
export { segmentGraph, segmentKey } from './segment-graph.ts';
