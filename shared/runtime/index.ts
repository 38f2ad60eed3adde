export {
  type GraphTensor,
  type Provider,
  providers,
  type Runner,
  type RunOutput,
  type SegmentGraph,
} from './runner.ts';
export { segmentGraph, segmentKey } from './segment-graph.ts';
