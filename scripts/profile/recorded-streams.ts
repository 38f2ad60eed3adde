/** What is sent of each image at a cut and rate, and what comes of it; all [images]. */
export interface RecordedStream {
  readonly cut: number;
  readonly channels: number;
  readonly bytes: ArrayLike<number>;
  /** The exit behind the cut that answers under the manifest's thresholds, and what; absent where all channels are sent. */
  readonly ends?: { readonly exits: ArrayLike<number>; readonly labels: ArrayLike<number> };
}

/** What was recorded of a split beside its exit records. */
export interface RecordedStreams {
  readonly split: string;
  /** Bytes of picture files, [images]. */
  readonly picture: ArrayLike<number>;
  readonly streams: readonly RecordedStream[];
}
