import { digestOf, type Manifest } from '../../shared/bundle/index.ts';
import { tableBytes, uniformRows } from '../codec/tables-source.ts';

/** A bundle of three segments in memory: cut 1 has tables and two rates, cut 2 neither. Its graphs are bytes, not ONNX. */
export interface Fixture {
  readonly manifest: Manifest;
  /** Every file by name, manifest.json too. */
  readonly files: Map<string, Uint8Array>;
  /** Names in the order they were read. */
  readonly reads: string[];
  readFile(name: string): Promise<Uint8Array>;
}

const text = (value: string) => new TextEncoder().encode(value);

export function jsonBytes(value: unknown): Uint8Array {
  return text(JSON.stringify(value));
}

/** Records of `images` images whose logits tell their place: image * 100 + exit * 10 + class. */
export function recordBytes(images: number, exits: number, classes: number): Uint8Array {
  const start = Math.ceil(images / 8) * 8;
  const bytes = new Uint8Array(start + images * exits * classes * 4);
  const view = new DataView(bytes.buffer);
  for (let image = 0; image < images; image++) {
    bytes[image] = image % classes;
    for (let exit = 0; exit < exits; exit++) {
      for (let label = 0; label < classes; label++) {
        const index = (image * exits + exit) * classes + label;
        view.setFloat32(start + index * 4, image * 100 + exit * 10 + label, true);
      }
    }
  }
  return bytes;
}

export async function makeFixture(): Promise<Fixture> {
  const files = new Map<string, Uint8Array>([
    ['s0.onnx', text('first graph')],
    ['s1.onnx', text('second graph')],
    ['s2.onnx', text('third graph')],
    ['whole.onnx', text('all graphs')],
    ['baseline.onnx', text('a graph without branches')],
    ['cut1.tables.bin', tableBytes(uniformRows(2, 2))],
    ['records-calibration.bin', recordBytes(5, 3, 3)],
    ['records-test.bin', recordBytes(8, 3, 3)],
  ]);
  const entry = async (file: string) => {
    const bytes = files.get(file) ?? new Uint8Array(0);
    return { file, sha256: await digestOf(bytes), bytes: bytes.length };
  };
  const logits = (): Manifest['segments'][number]['logits'] => ({
    name: 'logits',
    dtype: 'float32',
    shape: [3],
  });
  const manifest: Manifest = {
    schemaVersion: 1,
    id: 'tiny',
    version: '1.0.0',
    title: 'A bundle for tests',
    licence: 'Apache-2.0',
    classes: ['cat', 'dog', 'bird'],
    input: { name: 'image', dtype: 'uint8', shape: [8, 8, 1] },
    segments: [
      {
        name: 's0',
        ...(await entry('s0.onnx')),
        input: { name: 'image', dtype: 'uint8', shape: [8, 8, 1] },
        logits: logits(),
        codes: { name: 'codes', dtype: 'uint8', shape: [2, 4, 4] },
        macs: 1000,
        parameters: 10,
      },
      {
        name: 's1',
        ...(await entry('s1.onnx')),
        input: { name: 'codes', dtype: 'uint8', shape: [2, 4, 4] },
        logits: logits(),
        codes: { name: 'codes2', dtype: 'uint8', shape: [1, 2, 2] },
        macs: 2000,
        parameters: 20,
      },
      {
        name: 's2',
        ...(await entry('s2.onnx')),
        input: { name: 'codes2', dtype: 'uint8', shape: [1, 2, 2] },
        logits: logits(),
        macs: 3000,
        parameters: 30,
      },
    ],
    exits: [
      { name: 'branch', segment: 's0', temperature: 1.2, threshold: 0.05 },
      { name: 'middle', segment: 's1', temperature: 1.1, threshold: 0.2 },
      { name: 'final', segment: 's2', temperature: 1 },
    ],
    cuts: [
      {
        after: 's0',
        bits: 2,
        tables: { ...(await entry('cut1.tables.bin')), contexts: 128, levels: 4 },
        rates: [
          {
            channels: 1,
            measured: { split: 'test', images: 8, bytesMean: 3.5, bytesP95: 5, accuracy: 0.875 },
          },
          {
            channels: 2,
            measured: { split: 'test', images: 8, bytesMean: 6.25, bytesP95: 9, accuracy: 1 },
          },
        ],
      },
      { after: 's1', bits: 1 },
    ],
    calibration: {
      split: 'calibration',
      images: 5,
      date: '2026-11-22',
      target: { kind: 'device-share', value: 0.97 },
      measured: { deviceShare: 0.97, accuracy: 0.995, agreement: 0.998 },
      guarantee: 'none: the measured figures hold for the calibration split only',
    },
    whole: { ...(await entry('whole.onnx')), logits: ['logits0', 'logits1', 'logits2'] },
    baseline: { ...(await entry('baseline.onnx')), macs: 5500, parameters: 55, logits: 'logits' },
    records: [
      { split: 'calibration', ...(await entry('records-calibration.bin')), images: 5 },
      { split: 'test', ...(await entry('records-test.bin')), images: 8 },
    ],
    training: { dataset: 'none', epochs: { base: 1 } },
  };
  files.set('manifest.json', jsonBytes(manifest));
  const reads: string[] = [];
  return {
    manifest,
    files,
    reads,
    async readFile(name) {
      reads.push(name);
      const bytes = files.get(name);
      if (bytes === undefined) throw new Error('no such file or directory');
      return bytes;
    },
  };
}
