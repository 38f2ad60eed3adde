import type { Bundle } from '../../shared/bundle/index.ts';
import { absentCode } from '../../shared/codec/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { segmentGraph } from '../../shared/runtime/index.ts';
import { InlineRunner } from '../../shared/runtime/node/index.ts';
import type { RecordedStream } from './recorded-streams.ts';

const rowsAtOnce = 64;

/** What becomes of streams of fewer channels, while it is counted. */
interface Recording {
  readonly cut: number;
  readonly channels: number;
  readonly isAll: boolean;
  readonly bytes: Uint32Array;
  readonly exits: Uint8Array;
  readonly labels: Uint16Array;
}

/**
 * Runs images through a bundle and records what they take on the way at every cut and rate, and where those sent with fewer
 * channels end. The exits on the device are not asked: every image is sent.
 */
export async function recordStreams(
  bundle: Bundle,
  image: (index: number) => Uint8Array,
  images: number,
  onProgress: (done: number, total: number) => void,
): Promise<RecordedStream[]> {
  const graphs = bundle.manifest.segments.map((_, index) => segmentGraph(bundle, index));
  const runner = await InlineRunner.start({ graphs, providers: ['cpu'], threads: 2, maxQueuedRuns: 1 });
  const recordings = ratesOf(bundle).map(
    (rate): Recording => ({
      ...rate,
      ...{ bytes: new Uint32Array(images), exits: new Uint8Array(images), labels: new Uint16Array(images) },
    }),
  );
  try {
    for (let first = 0; first < images; first += rowsAtOnce) {
      const rows = Math.min(rowsAtOnce, images - first);
      await recordSome(bundle, runner, recordings, image, first, rows);
      onProgress(first + rows, images);
    }
  } finally {
    await runner.close();
  }
  return recordings.map(({ cut, channels, isAll, bytes, exits, labels }) => ({
    ...{ cut, channels, bytes },
    ...(!isAll && { ends: { exits, labels } }),
  }));
}

function ratesOf({ manifest }: Bundle) {
  return manifest.cuts.flatMap(({ rates }, index) => {
    const all = manifest.segments[index]?.codes?.shape[0] ?? 0;
    const channels = [...new Set([...(rates ?? []).map((rate) => rate.channels), all])];
    return channels.map((own) => ({ cut: index + 1, channels: own, isAll: own === all }));
  });
}

async function recordSome(
  bundle: Bundle,
  runner: InlineRunner,
  recordings: readonly Recording[],
  image: (index: number) => Uint8Array,
  first: number,
  rows: number,
): Promise<void> {
  const pixels = Array.from({ length: rows }, (_, row) => image(first + row));
  let input = new Uint8Array(pixels.flatMap((one) => Array.from(one)));
  for (let segment = 0; segment + 1 < bundle.manifest.segments.length; segment++) {
    const { codes } = await runSegment(bundle, runner, segment, input, rows);
    input = new Uint8Array(codes);
    for (const recording of recordings) {
      if (recording.cut === segment + 1) await recordRate(bundle, runner, recording, codes, first, rows);
    }
  }
}

async function recordRate(
  bundle: Bundle,
  runner: InlineRunner,
  { cut, channels, isAll, bytes, exits, labels }: Recording,
  codes: Uint8Array,
  first: number,
  rows: number,
): Promise<void> {
  const codec = bundle.codec(cut, isAll ? undefined : channels);
  const size = codes.length / rows;
  const received = new Uint8Array(codes);
  for (let row = 0; row < rows; row++) {
    bytes[first + row] = codec.encode(codes.subarray(row * size, row * size + codec.count)).length;
    received.fill(absentCode(codec.bits), row * size + codec.count, (row + 1) * size);
  }
  if (isAll) return;
  let input = received;
  const hasEnded = new Uint8Array(rows);
  for (let segment = cut; segment < bundle.manifest.segments.length; segment++) {
    const { logits, codes: behind } = await runSegment(bundle, runner, segment, input, rows);
    const classes = logits.length / rows;
    for (let row = 0; row < rows; row++) {
      const own = logits.subarray(row * classes, (row + 1) * classes);
      const { confident, label } = decideExit({ ...bundle.exit(segment), logits: own });
      if (hasEnded[row] === 1 || !confident) continue;
      hasEnded[row] = 1;
      exits[first + row] = segment;
      labels[first + row] = label;
    }
    input = behind;
  }
}

async function runSegment(
  bundle: Bundle,
  runner: InlineRunner,
  segment: number,
  input: Uint8Array<ArrayBuffer>,
  rows: number,
) {
  const { outputs } = await runner.run(segmentGraph(bundle, segment).key, input, rows);
  const [logits, codes] = outputs;
  if (!(logits instanceof Float32Array))
    throw new OfframpError('RUNTIME_FAILED', `s${segment} gave no logits`);
  return { logits, codes: codes instanceof Uint8Array ? codes : new Uint8Array(0) };
}
