import fc from 'fast-check';
import type { ExitRecords } from '../../shared/exits/index.ts';
import { constant, type PlanCosts, type PlannedManifest } from '../../shared/plan/index.ts';

/** Records of images given as their true class and, by exit, their logits. */
export function recordsOf(
  images: readonly { readonly truth: number; readonly logits: readonly (readonly number[])[] }[],
): ExitRecords {
  const rows = images.map(({ logits }) => logits.map((values) => Float32Array.from(values)));
  return {
    images: images.length,
    labels: Uint8Array.from(images, ({ truth }) => truth),
    logits(exit, image) {
      const logits = rows[image]?.[exit];
      if (logits === undefined) throw new RangeError(`got exit ${exit} of image ${image}`);
      return logits;
    },
  };
}

const classes = 3;
const rateChannels = [2, 5, 8];

/** A manifest of `segments` segments with these thresholds and, where asked, rates at the first cut. */
export function manifestOf(
  thresholds: readonly number[],
  rateAccuracies: readonly number[] = [],
): PlannedManifest {
  const segments = thresholds.length + 1;
  const shape: [number, number, number] = [8, 4, 4];
  const rates = rateAccuracies.map((accuracy, at) => ({
    channels: rateChannels[at] ?? 8,
    measured: {
      split: 'calibration',
      images: 100,
      bytesMean: 40 + 30 * at,
      bytesP95: 50 + 30 * at,
      accuracy,
    },
  }));
  const file = { file: 's.onnx', sha256: '0'.repeat(64), bytes: 1 };
  return {
    id: 'made-up',
    input: { name: 'image', dtype: 'uint8', shape: [16, 16, 3] },
    segments: Array.from({ length: segments }, (_, index) => ({
      ...{ name: `s${index}`, ...file, macs: 1000 * (index + 1), parameters: 1 },
      input: { name: index === 0 ? 'image' : 'codes', dtype: 'uint8', shape: [16, 16, 3] },
      logits: { name: 'logits', dtype: 'float32', shape: [classes] },
      ...(index + 1 < segments && { codes: { name: 'codes', dtype: 'uint8' as const, shape } }),
    })),
    exits: Array.from({ length: segments }, (_, index) => ({
      ...{ name: `e${index}`, segment: `s${index}`, temperature: 0.5 + index / 2 },
      ...(index + 1 < segments && { threshold: thresholds[index] ?? 0 }),
    })),
    cuts: thresholds.map((_, index) => ({
      ...{ after: `s${index}`, bits: 2 },
      ...(index === 0 && rates.length > 0 && { rates }),
    })),
  };
}

export interface Example {
  readonly manifest: PlannedManifest;
  readonly records: ExitRecords;
}

/** Manifests of two to four segments and records of up to 60 images. */
export const examples: fc.Arbitrary<Example> = fc.integer({ min: 2, max: 4 }).chain((exits) => {
  const logits = fc.array(fc.double({ min: -8, max: 8, noNaN: true }), {
    minLength: classes,
    maxLength: classes,
  });
  const image = fc.record({
    truth: fc.nat(classes - 1),
    logits: fc.array(logits, { minLength: exits, maxLength: exits }),
  });
  return fc.record({
    manifest: fc
      .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: exits - 1, maxLength: exits - 1 })
      .map((thresholds) => manifestOf(thresholds)),
    records: fc.array(image, { minLength: 1, maxLength: 60 }).map(recordsOf),
  });
});

/** Costs that never vary, so that every image's time can be told exactly. */
export function fixedCosts(segments: number): PlanCosts {
  const each = Array.from({ length: segments }, (_, index) => index);
  return {
    device: {
      exitMs: each.map((exit) => ({ medianMs: 7 * (exit + 1) })),
      prepareMs: { medianMs: 2 },
      encodeMs: each.slice(1).map((cut) => ({ medianMs: cut / 4 })),
    },
    cloud: {
      link: { predictMs: (bytes) => constant(linkMs(bytes)) },
      queueMs: { medianMs: 1.5 },
      batchRows: 1,
      decodeMs: { medianMs: 0.75 },
      lines: each.flatMap((cut) =>
        each
          .filter((exit) => exit >= cut)
          .map((exit) => ({ cut, exit, perRowMs: exit - cut + 1, fixedMs: 0.5 * (exit - cut + 1) })),
      ),
    },
    frameBytes: 30,
  };
}

export function linkMs(bytes: number): number {
  return 40 + bytes / 100;
}
