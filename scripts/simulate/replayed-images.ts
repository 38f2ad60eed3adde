import type { Bundle } from '../../shared/bundle/index.ts';
import { type ExitRecords, type ExitTable, tabulateExits } from '../../shared/exits/index.ts';
import { clientWireBytes, encodeInfer, encodeResult } from '../../shared/protocol/index.ts';
import type { RecordedStreams } from '../profile/index.ts';

/** What was recorded of real images: what every exit says of them, and how many bytes they take on the way. */
export interface ReplayedImages {
  readonly count: number;
  readonly table: ExitTable;
  readonly records: ExitRecords;
  /** Bytes of an image's request at a cut, framing included: the picture's file at 0, else the stream of so many channels. */
  requestBytes(cut: number, channels: number | undefined, image: number): number;
  /** Bytes of a picture's file. */
  pictureBytes(image: number): number;
  /** Bytes of an answer, framing included. */
  readonly answerBytes: number;
  /** Numbers the rates that were recorded by themselves; 0 where what is sent is all that there is, or is taken to be as good. */
  rateAt(cut: number, channels: number | undefined): number;
  /** Uncalibrated logits, [classes]. Of a rate of its own they only say where the image leaves and as what. */
  logitsAt(exit: number, image: number, rate: number): Float32Array;
  labelAt(exit: number, image: number, rate: number): number;
}

/**
 * Opens the replay of a split. Where sizes were recorded of another one, every image has their mean; where none were, a stream has the
 * size that the manifest gives or the most it can have.
 */
export async function replayImages(
  bundle: Bundle,
  split: string,
  measured: RecordedStreams | undefined,
): Promise<ReplayedImages> {
  const { manifest } = bundle;
  const records = await bundle.records(split);
  const recorded = measured?.split === split ? measured : measured && meansOf(measured, records.images);
  const temperatures = manifest.exits.map(({ temperature }) => temperature);
  const table = tabulateExits(records, temperatures);
  const pixels = manifest.input.shape.reduce((product, size) => product * size, 1);
  const bytesOf = (cut: number, channels: number | undefined): ArrayLike<number> | number => {
    if (cut === 0) return recorded?.picture ?? pixels;
    const all = manifest.segments[cut - 1]?.codes?.shape[0];
    const wanted = channels ?? all;
    const stream = recorded?.streams.find((one) => one.cut === cut && one.channels === wanted);
    if (stream !== undefined) return stream.bytes;
    const rate = manifest.cuts[cut - 1]?.rates?.find((one) => one.channels === wanted);
    return rate?.measured.bytesMean ?? bundle.codec(cut, channels).maxBytes;
  };
  const rates = (recorded?.streams ?? []).filter(({ ends }) => ends !== undefined);
  const classes = manifest.classes.length;
  const unsure = new Float32Array(classes);
  const sure = Array.from(manifest.classes, (_, label) => {
    const logits = new Float32Array(classes);
    logits[label] = certain;
    return logits;
  });
  const known = new Map<number, (image: number) => number>();
  const requests = (cut: number, channels: number | undefined) => {
    const bytes = bytesOf(cut, channels);
    // The agent leaves it unsaid where all channels are sent.
    const isAll = channels === manifest.segments[cut - 1]?.codes?.shape[0];
    const headBytes = requestHeadBytes(cut, isAll ? undefined : channels);
    return (image: number) =>
      clientWireBytes(headBytes + (typeof bytes === 'number' ? bytes : (bytes[image] ?? 0)));
  };
  return {
    count: records.images,
    table,
    records,
    answerBytes: answerFrameBytes(manifest.classes.length),
    pictureBytes: (image) => recorded?.picture[image] ?? pixels,
    rateAt(cut, channels) {
      if (channels === undefined) return 0;
      return 1 + rates.findIndex((one) => one.cut === cut && one.channels === channels);
    },
    logitsAt(exit, image, rate) {
      const ends = rates[rate - 1]?.ends;
      if (ends === undefined) return records.logits(exit, image);
      return (ends.exits[image] ?? 0) <= exit ? (sure[ends.labels[image] ?? 0] ?? unsure) : unsure;
    },
    labelAt: (exit, image, rate) => rates[rate - 1]?.ends?.labels[image] ?? table.answers[exit]?.[image] ?? 0,
    requestBytes(cut, channels, image) {
      const key = cut * mostChannels + (channels ?? 0);
      let bytes = known.get(key);
      if (bytes === undefined) {
        bytes = requests(cut, channels);
        known.set(key, bytes);
      }
      return bytes(image);
    },
  };
}

/** What is known of the images of another split: what one takes in the mean. */
function meansOf({ split, picture, streams }: RecordedStreams, images: number): RecordedStreams {
  const means = (bytes: ArrayLike<number>) => {
    const sum = Array.from(bytes).reduce((total, one) => total + one, 0);
    return new Array<number>(images).fill(Math.round(sum / Math.max(1, bytes.length)));
  };
  return {
    ...{ split, picture: means(picture) },
    streams: streams.map(({ cut, channels, bytes }) => ({ cut, channels, bytes: means(bytes) })),
  };
}

/** More than any codes have. */
const mostChannels = 65_536;
/** A frame of the server up to 125 bytes has two bytes of WebSocket before it, a longer one four. */
const serverFramingBytes = 4;
const usualBudgetMs = 1000;
/** A logit that leaves no doubt, whatever the temperature. */
const certain = 1000;

/** Of a frame with one row, before the row. */
function requestHeadBytes(cut: number, channels: number | undefined): number {
  const rows = [new Uint8Array(0)];
  const head = { id: 1, bundleTag: 0xffffffff, cut, budgetMs: usualBudgetMs, rows };
  return encodeInfer({ ...head, ...(channels !== undefined && { channels }) }).length;
}

function answerFrameBytes(classes: number): number {
  const logits = new Float32Array(classes);
  const times = { queueMicros: 1000, runMicros: 1000, batchRows: 1, queuedRows: 0 };
  return encodeResult({ id: 1, exits: [1], logits, ...times }).length + serverFramingBytes;
}
