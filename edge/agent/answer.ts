import type { ErrorCode } from '../../shared/errors.ts';

/** What happened to one image. `exit`: left at a branch on the device; `features`: finished in the cloud from codes;
 * `image`: finished in the cloud from the image; `edge-only`: all segments ran on the device. */
export type Route = 'exit' | 'features' | 'image' | 'edge-only';

/** Where the time of one answer went, milliseconds; the stages add up to the answer's `latencyMs`. */
export interface StageTimes {
  /** Picture file to pixels; 0 where the caller brought pixels or the file itself was sent. */
  readonly prepare: number;
  /** Device segments, with the wait for an inference thread. */
  readonly device: number;
  /** Softmax, entropy and the decision. */
  readonly exit: number;
  /** Codes to bytes. */
  readonly encode: number;
  /** Uplink, downlink and everything between that neither side accounts for. */
  readonly network: number;
  /** Wait in the server's queue. */
  readonly cloudQueue: number;
  /** Computation on the server: of the batch and, where a file was sent, of its pixels. */
  readonly cloudRun: number;
}

/** What the device thought of an image before the cloud had its say. */
export interface DeviceOpinion {
  readonly exit: string;
  readonly label: number;
  /** Calibrated softmax of its exit, float [classes]. */
  readonly probabilities: Float64Array;
  readonly entropy: number;
  /** Below which the entropy had to be; absent at the last exit. */
  readonly threshold?: number;
  /** What its segments took, without the wait for an inference thread, milliseconds. */
  readonly runMs: number;
}

/** The one answer every image gets. */
export interface Answer {
  /** Index of the class. */
  readonly label: number;
  readonly className: string;
  /** Calibrated softmax of the exit that answered, float [classes]. */
  readonly probabilities: Float64Array;
  /** Normalised entropy of `probabilities`, 0 (certain) to 1. */
  readonly entropy: number;
  /** Name of the exit that answered. */
  readonly exit: string;
  readonly route: Route;
  /** True when the exit was not confident and a deeper one should have answered, but did not. */
  readonly degraded: boolean;
  /**
   * Why the cloud did not answer though it should have, or `DEPTH_CUT` where it had no time for its deeper exits. Of an answer that is not degraded: the image was sent (cut 0), the
   * cloud failed, and the branch was as sure as it has to be.
   */
  readonly reason?: ErrorCode;
  /** The last device exit's own answer; the same as this one unless the cloud answered. Absent on route `image`. */
  readonly device?: DeviceOpinion;
  /** The plan that was followed, where plans change, and what it foresaw for images that this exit answers. */
  readonly plan?: { readonly key: string; readonly predictedMs: number | undefined };
  readonly latencyMs: number;
  readonly stagesMs: StageTimes;
  /** Bytes sent for this image, WebSocket framing included. */
  readonly bytesSent: number;
  /** Channels of the codes that were sent, in time or not; absent when no codes were. */
  readonly channelsSent?: number;
}
