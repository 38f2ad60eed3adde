/** How fast a direction of a link takes bytes. */
export type Rate =
  /** Always the same; `Infinity` for one that takes no time. */
  | { readonly kind: 'constant'; readonly bitsPerSecond: number }
  /** Changes in steps; the trace begins again when it has ended. */
  | { readonly kind: 'steps'; readonly steps: readonly RateStep[]; readonly lengthMs: number }
  /** Mahimahi's form: moments at which one packet of 1500 bytes may leave, ascending; begins again at `lengthMs`. */
  | { readonly kind: 'opportunities'; readonly atMs: Float64Array; readonly lengthMs: number };

export interface RateStep {
  readonly fromMs: number;
  /** 0 for an outage. */
  readonly bitsPerSecond: number;
}

/** One direction of a link. What is sent leaves in its order, and arrives in it. */
export interface Direction {
  readonly rate: Rate;
  /** From the end of the bottleneck to the other side. */
  readonly delayMs: number;
  /** Standard deviation of that delay. */
  readonly jitterMs: number;
  /** Share of packets that are lost. */
  readonly lossShare: number;
  /** What the bottleneck holds back; beyond it the sender has to wait. */
  readonly queueBytes: number;
}

/** A time during which nothing passes in either direction; what was sent waits. */
export interface Outage {
  readonly atMs: number;
  readonly lastsMs: number;
  /** Comes again after so long; once where absent. */
  readonly everyMs?: number;
}

/** A link between a device and the cloud, over time from 0 on. */
export interface Link {
  readonly name: string;
  /** Where its figures are from. */
  readonly source: string;
  readonly up: Direction;
  readonly down: Direction;
  readonly outages: readonly Outage[];
}
