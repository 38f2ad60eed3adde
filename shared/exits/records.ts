/** Exit records of one split: what every exit said of every image, before calibration. */
export interface ExitRecords {
  readonly images: number;
  /** True class of each image, [images]. */
  readonly labels: Uint8Array;
  /** Uncalibrated logits of one exit for one image, [classes]; a view, not a copy. `RangeError` outside the records. */
  logits(exit: number, image: number): Float32Array;
}
