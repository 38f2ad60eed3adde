/** Where a figure lies in 95 of 100 cases, were the images independent of each other. */
export type Interval = readonly [number, number];

export interface Estimated {
  readonly ms: number;
  readonly interval: Interval;
}

export interface LatencySummary {
  readonly mean: Estimated;
  readonly p50: Estimated;
  readonly p95: Estimated;
  readonly p99: Estimated;
  readonly max: number;
}

/** By route; they add up to 1. */
export interface RouteShares {
  readonly exit: number;
  readonly features: number;
  readonly image: number;
  readonly edgeOnly: number;
}

/** What images of one run met with, the same of a simulation and of real processes. */
export interface RunFigures {
  readonly images: number;
  /** Images that the device was too busy to take. */
  readonly refused: number;
  /** From the moment at which an image was to be sent. */
  readonly latencyMs: LatencySummary;
  readonly accuracy: { readonly share: number; readonly interval: Interval };
  readonly routes: RouteShares;
  readonly degraded: {
    readonly share: number;
    /** Of the degraded answers; absent when there are none. */
    readonly accuracy?: number;
    /** Shares of all images. */
    readonly reasons: Readonly<Record<string, number>>;
  };
  /** Share of answers later than the budget and 20 ms. */
  readonly lateShare: number;
  /** Answers that were late or degraded. */
  readonly missed: { readonly share: number; readonly interval: Interval };
  readonly bytesPerImage: number;
  /** Of all devices. */
  readonly bytesPerSecond: number;
  /** Share of images that followed each plan, the largest first. */
  readonly plans: Readonly<Record<string, number>>;
  /** Quantiles of the latency from the least to the largest, half a percent apart. */
  readonly cdfMs: readonly number[];
  /** Answers of each route by when their images came. */
  readonly overTime: readonly ({ readonly atSeconds: number } & RouteShares)[];
}

/** What one policy did with one bundle on one link with so many devices. */
export interface RunResult extends RunFigures {
  /** Its id. */
  readonly bundle: string;
  readonly policy: string;
  readonly link: string;
  readonly devices: number;
  /** Executor time of the cloud for 1,000 images; absent where it was not measured. */
  readonly cloudSecondsPer1000Images?: number;
  /** Rows of a batch in the mean, where any ran. */
  readonly batchRows?: number;
  /** Of the best of all plans that never change: which one it is. */
  readonly bestPlan?: string;
  /** Mean latency over that of the plan that was best at each moment, less 1; where it was asked for. */
  readonly regret?: number;
}
