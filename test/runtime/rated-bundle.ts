/** The bundle that the tests run, with rates: its manifest edited, its files as they are. */
import type { Bundle } from '../../shared/bundle/index.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { absentCode } from '../../shared/codec/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { realBundleFolder } from './real-bundle.ts';

/** Channels of each rate; the last are all channels of the codes. */
export const rates = [2, 4, 6] as const;

/** The parts of a manifest that rates take. */
interface RatedManifest {
  readonly cuts: { rates?: unknown }[];
  readonly records: readonly { readonly split: string; readonly images: number }[];
}

/** Lists the rates at the first cut. Their figures are those of no measurement: nothing that is tested reads them. */
export function addRates({ cuts, records }: RatedManifest): void {
  const [cut, record] = [cuts[0], records[0]];
  if (cut === undefined || record === undefined) throw new Error('expected a cut and records');
  const { split, images } = record;
  const measured = { split, images, bytesMean: 10, bytesP95: 12, accuracy: 0.9 };
  cut.rates = rates.map((channels) => ({ channels, measured }));
}

/** Opens the bundle with rates; its network was trained with all channels, so lower ones cost it accuracy. */
export function openRatedBundle(): Promise<Bundle> {
  return openEdited(addRates);
}

/** Opens the bundle without rates. */
export function openUnratedBundle(): Promise<Bundle> {
  return openEdited(({ cuts }) => {
    for (const cut of cuts) delete cut.rates;
  });
}

function openEdited(edit: (manifest: RatedManifest) => void): Promise<Bundle> {
  const readFile = bundleFolder(realBundleFolder);
  return openBundle(async (name) => {
    const bytes = await readFile(name);
    if (name !== 'manifest.json') return bytes;
    const manifest: RatedManifest = JSON.parse(new TextDecoder().decode(bytes));
    edit(manifest);
    return new TextEncoder().encode(JSON.stringify(manifest));
  });
}

/** The codes of all channels that a receiver makes of those that were sent, [channels, rows, columns]. */
export function filled(codes: Uint8Array, channels: number, bundle: Bundle): Uint8Array<ArrayBuffer> {
  const perChannel = codes.length / (rates.at(-1) ?? 1);
  const whole = new Uint8Array(codes.length).fill(absentCode(bundle.codec(1).bits));
  whole.set(codes.subarray(0, channels * perChannel));
  return whole;
}
