import type { Bundle } from '../bundle/index.ts';
import type { SegmentGraph } from './runner.ts';

/** The name of a segment's graph within a runner. */
export function segmentKey(bundleId: string, segment: number): string {
  return `${bundleId}/s${segment}`;
}

/** A bundle's segment as a runner loads it; its outputs are the logits and, but for the last segment, the codes. */
export function segmentGraph(bundle: Bundle, index: number): SegmentGraph {
  const { spec, bytes } = bundle.segment(index);
  return {
    key: segmentKey(bundle.manifest.id, index),
    bytes,
    input: spec.input,
    outputs: spec.codes === undefined ? [spec.logits] : [spec.logits, spec.codes],
  };
}
