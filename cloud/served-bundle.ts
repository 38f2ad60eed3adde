import type { Bundle } from '../shared/bundle/index.ts';
import { absentCode } from '../shared/codec/index.ts';
import { OfframpError } from '../shared/errors.ts';
import { bundleTag } from '../shared/protocol/index.ts';
import { type SegmentGraph, segmentGraph, segmentKey } from '../shared/runtime/index.ts';

/** A bundle as the server uses it: where work may enter it, and what a row weighs there. */
export interface ServedBundle {
  readonly id: string;
  /** Names its graphs in a runner; two versions of a bundle that are served together have two of them. */
  readonly runKey: string;
  readonly digest: string;
  readonly tag: number;
  readonly bundle: Bundle;
  readonly classes: number;
  readonly graphs: readonly SegmentGraph[];
  /** Largest row that may arrive, in bytes, over all cuts. */
  readonly maxRowBytes: number;
}

export function serveBundle(bundle: Bundle, runKey: string = bundle.manifest.id): ServedBundle {
  const { id, classes, input, segments } = bundle.manifest;
  const graphs = segments.map((_, index) => ({
    ...segmentGraph(bundle, index),
    key: segmentKey(runKey, index),
  }));
  const cuts = Array.from({ length: segments.length - 1 }, (_, index) => index + 1);
  const maxRowBytes = Math.max(elements(input.shape), ...cuts.map((cut) => bundle.codec(cut).maxBytes));
  const { digest } = bundle;
  return { id, runKey, digest, tag: bundleTag(digest), bundle, classes: classes.length, graphs, maxRowBytes };
}

/** Bytes of one row of the tensor that enters at `cut`: the image at 0, the codes of the cut otherwise. */
export function rowElements({ bundle }: ServedBundle, cut: number): number {
  const segment = bundle.manifest.segments[cut];
  if (segment !== undefined) return elements(segment.input.shape);
  throw cutUnsupported(bundle.manifest.id, cut, bundle.manifest.segments.length);
}

/**
 * Turns the rows of a request into the tensor that enters at `cut`, uint8 [rows, ...]. Rows of `channels` channels are
 * filled up to all of the cut's, so that rows of any rate share a batch.
 * @throws OfframpError CUT_UNSUPPORTED, RATE_UNSUPPORTED, CODES_CORRUPT, TENSOR_INVALID.
 */
export function decodeRows(
  served: ServedBundle,
  cut: number,
  rows: readonly Uint8Array[],
  channels?: number,
): Uint8Array<ArrayBuffer> {
  const size = rowElements(served, cut);
  const tensor = new Uint8Array(rows.length * size);
  if (cut > 0) {
    decodeCodes(served.bundle, cut, rows, channels, tensor);
    return tensor;
  }
  for (const [index, row] of rows.entries()) {
    if (row.length === size) tensor.set(row, index * size);
    else {
      throw new OfframpError(
        'TENSOR_INVALID',
        `Row ${index} has ${row.length} bytes, the image of ${served.id} has ${size}`,
      );
    }
  }
  return tensor;
}

function decodeCodes(
  bundle: Bundle,
  cut: number,
  rows: readonly Uint8Array[],
  channels: number | undefined,
  tensor: Uint8Array,
): void {
  const codec = bundle.codec(cut, channels);
  const absent = absentCode(codec.bits);
  const size = tensor.length / rows.length;
  for (const [index, row] of rows.entries()) {
    const start = index * size;
    codec.decodeInto(row, tensor, start);
    tensor.fill(absent, start + codec.count, start + size);
  }
}

function cutUnsupported(id: string, cut: number, segments: number): OfframpError {
  return new OfframpError(
    'CUT_UNSUPPORTED',
    `Bundle ${id} has no cut ${cut}; the server takes 0 to ${segments - 1}`,
  );
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
