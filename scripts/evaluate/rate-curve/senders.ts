import type { Bundle } from '../../../shared/bundle/index.ts';
import { absentCode, type Codec } from '../../../shared/codec/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { bundleTag } from '../../../shared/protocol/index.ts';
import { type ImageBatch, stack } from './batches.ts';
import type { Networks } from './networks.ts';
import { type Figures, Tally } from './tally.ts';
import { type PictureShape, throughWebp, type WebpSettings } from './webp.ts';

/** Images on their way to the cloud. */
export interface Departure extends ImageBatch {
  /** The codes of all of them at the cut, uint8 [rows, channels, height, width]. Not to be changed. */
  readonly codes: Uint8Array;
}

/** One way of sending every image. */
export interface Sender {
  /** Sends a batch, has the network finish every image of it and adds up what that cost and reached. */
  send(batch: Departure): Promise<void>;
  figures(): Figures;
}

/** What all senders of one measurement share. */
export interface SenderContext {
  readonly bundle: Bundle;
  readonly networks: Networks;
  /** Stated in every frame. */
  readonly budgetMs: number;
}

/** Numbers of channels that codes may be sent with at `cut`, ascending; all of them alone where the manifest lists no rates. */
export function channelsOf({ manifest }: Bundle, cut: number): number[] {
  const codes = manifest.segments[cut - 1]?.codes;
  if (codes !== undefined) {
    return manifest.cuts[cut - 1]?.rates?.map(({ channels }) => channels) ?? [codes.shape[0]];
  }
  const last = manifest.cuts.length;
  throw new OfframpError(
    'CUT_UNSUPPORTED',
    `${manifest.id}: got cut ${cut}, expected ${last === 0 ? 'one with codes, and there is none' : `1 to ${last}`}`,
  );
}

/** Sends the first channels of the codes in real streams; the receiver holds the others for absent. */
export class RateSender implements Sender {
  readonly channels: number;
  readonly #networks: Networks;
  readonly #cut: number;
  readonly #codec: Codec;
  readonly #tally: Tally;

  /** `channels` is one of {@link channelsOf}. */
  constructor({ bundle, networks, budgetMs }: SenderContext, cut: number, channels: number) {
    const all = bundle.manifest.segments[cut - 1]?.codes?.shape[0];
    // With all channels neither the codec nor the frame needs to hear of a rate.
    const part = channels === all ? {} : { channels };
    this.channels = channels;
    this.#networks = networks;
    this.#cut = cut;
    this.#codec = bundle.codec(cut, part.channels);
    this.#tally = new Tally({ bundleTag: bundleTag(bundle.digest), cut, budgetMs, ...part });
  }

  async send({ codes, labels }: Departure): Promise<void> {
    const size = codes.length / labels.length;
    const received = new Uint8Array(codes.length).fill(absentCode(this.#codec.bits));
    for (let start = 0; start < codes.length; start += size) {
      const stream = this.#codec.encode(codes.subarray(start, start + this.#codec.count));
      this.#tally.addRow(stream);
      this.#codec.decodeInto(stream, received, start);
    }
    this.#tally.addAnswers(await this.#networks.cloud(received, labels.length, this.#cut), labels);
  }

  figures(): Figures {
    return this.#tally.figures();
  }
}

/** Sends images as WebP files of one quality. */
export class WebpSender implements Sender {
  readonly quality: number;
  readonly #settings: WebpSettings;
  readonly #networks: Networks;
  readonly #shape: PictureShape;
  readonly #tally: Tally;

  constructor({ bundle, networks, budgetMs }: SenderContext, settings: WebpSettings, quality: number) {
    this.quality = quality;
    this.#settings = settings;
    this.#networks = networks;
    this.#shape = bundle.manifest.input.shape;
    this.#tally = new Tally({ bundleTag: bundleTag(bundle.digest), cut: 0, budgetMs, format: 'webp' });
  }

  async send({ images, labels }: Departure): Promise<void> {
    const { files, pixels } = await throughWebp(images, this.#shape, this.#settings, this.quality);
    for (const file of files) this.#tally.addRow(file);
    this.#tally.addAnswers(await this.#networks.whole(pixels, labels.length), labels);
  }

  figures(): Figures {
    return this.#tally.figures();
  }
}

/** Sends raw pixels. */
export class RawSender implements Sender {
  readonly #networks: Networks;
  readonly #tally: Tally;

  constructor({ bundle, networks, budgetMs }: SenderContext) {
    this.#networks = networks;
    this.#tally = new Tally({ bundleTag: bundleTag(bundle.digest), cut: 0, budgetMs });
  }

  async send({ images, labels }: Departure): Promise<void> {
    for (const image of images) this.#tally.addRow(image);
    this.#tally.addAnswers(await this.#networks.whole(stack(images), labels.length), labels);
  }

  figures(): Figures {
    return this.#tally.figures();
  }
}
