import type { ErrorCode } from '../../shared/errors.ts';

/** What happened to one image. `exit`: left at a branch on the device; `features`: finished in the cloud from codes;
 * `image`: finished in the cloud from the image; `edge-only`: all segments ran on the device. */
export type Route = 'exit' | 'features' | 'image' | 'edge-only';

/** Where the time of one answer went, milliseconds; the stages add up to the answer's `latencyMs`. */
export interface StageTimes {
  /** Picture file to pixels; 0 where the caller brought pixels. */
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
  /** Computation of the batch on the server. */
  readonly cloudRun: number;
}

/** What the device thought of an image before the cloud had its say. */
export interface DeviceOpinion {
  readonly exit: string;
  readonly label: number;
  readonly entropy: number;
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
  /** True when the exit was not confident and the cloud should have answered, but did not; `reason` says why. */
  readonly degraded: boolean;
  readonly reason?: ErrorCode;
  /** The last device exit's own answer; the same as this one unless the cloud answered. */
  readonly device: DeviceOpinion;
  readonly latencyMs: number;
  readonly stagesMs: StageTimes;
  /** Bytes sent for this image, WebSocket framing included. */
  readonly bytesSent: number;
}
