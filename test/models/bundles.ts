/** The bundles that the tests hold to their word: all under models/, or those of a person who brings some of their own. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blobPicture } from '../../scripts/demo/blobs.ts';
import type { Bundle, Manifest } from '../../shared/bundle/index.ts';
import { type SegmentGraph, segmentGraph } from '../../shared/runtime/index.ts';
import { drawnImage, wholeGraph } from '../runtime/real-bundle.ts';

const models = fileURLToPath(new URL('../../models', import.meta.url));

export interface BundleFolder {
  readonly name: string;
  readonly folder: string;
  /** The id that it must have to be found by it; any will do for a folder outside models/. */
  readonly id?: string;
}

function committed(): BundleFolder[] {
  const names = readdirSync(models).filter((name) => existsSync(join(models, name, 'manifest.json')));
  return names.sort().map((name) => ({ name, folder: join(models, name), id: name }));
}

/** Folders separated as in PATH; absent: every bundle under models/. */
const given = process.env.OFFRAMP_BUNDLES?.split(delimiter).map((path) => resolve(path));

export const bundleFolders: readonly BundleFolder[] =
  given?.map((folder) => ({ name: basename(folder), folder })) ?? committed();

/** A picture that a bundle can take, uint8 [height, width, channels]: a drawn digit where those fit, else soft blobs. */
export function pictureFor({ input }: Manifest, index: number): Uint8Array {
  const { shape } = input;
  return shape.join() === '28,28,1' ? drawnImage(index * 7) : blobPicture(shape, index);
}

/** Pictures that show nothing and lie at the ends of what may come: all black, all white, and noise. */
export function extremePictures({ input }: Manifest): Uint8Array[] {
  const size = input.shape.reduce((product, side) => product * side, 1);
  const noise = Uint8Array.from({ length: size }, (_, at) => Math.imul(at + 1, 2654435761) >>> 24);
  return [new Uint8Array(size), new Uint8Array(size).fill(255), noise];
}

/** Every graph that a bundle has: its segments, the whole network, and the baseline where there is one. */
export async function allGraphs(bundle: Bundle): Promise<SegmentGraph[]> {
  const { segments, input, classes, baseline } = bundle.manifest;
  const graphs = segments.map((_, index) => segmentGraph(bundle, index));
  graphs.push(await wholeGraph(bundle, 'whole'));
  if (baseline === undefined) return graphs;
  const logits = { name: baseline.logits, dtype: 'float32' as const, shape: [classes.length] };
  return [...graphs, { key: 'baseline', bytes: await bundle.read(baseline.file), input, outputs: [logits] }];
}
