/** What a page sees of its agent. */
import type { ErrorCode } from '../../shared/errors.ts';
import type { ExitShareChange, ExitShareFigures } from '../../shared/exits/index.ts';
import type { LatencyFigures, LinkFigures, Objective } from '../../shared/plan/index.ts';
import type { RunnerProvider } from '../../shared/runtime/index.ts';
import type { Answer, DeviceOpinion } from '../agent/index.ts';

/** An image: uint8 [height, width, channels] as the bundle's `input.shape` says; or a picture, which is fitted to that. */
export type PageImage = Uint8Array | Uint8ClampedArray | ImageData | Blob;

/** What may be changed while the agent runs; what is absent stays as it is. */
export interface AgentSettings {
  /** Segments to run here, 0 sends the pixels. At the start: one with a cloud, all of them without. */
  readonly cut?: number;
  /** Channels of the codes to send, one of the rates of the cut. At the start, and when the cut changes: all. */
  readonly channels?: number | 'all';
  /** Of every exit that this device reaches, 0 to 1: 0 lets nothing leave. At the start: the calibrated ones. */
  readonly threshold?: number | 'calibrated';
  /** Milliseconds for an answer, above 0 and up to 600,000. At the start: 500. */
  readonly budgetMs?: number;
}

/** Where a page may ask its segments to run; what they got is in the status. */
export type PageProvider = 'auto' | 'wasm' | 'webgpu';

export interface StartOptions extends AgentSettings {
  /** Folder of the bundle, relative to the page. */
  readonly bundleUrl: string;
  /** Servers that do the same, `ws:` or `wss:`, or relative to the page; none for a page that stands alone. */
  readonly cloudUrl?: string | readonly string[];
  /** For the servers. It travels in the first message, never in an address. */
  readonly token?: string;
  /** Chooses cut, thresholds and rate while running; then they cannot be set. */
  readonly objective?: Objective;
  /** At the server, 1 is served first; absent: its default. */
  readonly priority?: number;
  /** Images under way at once. Default: 256. */
  readonly maxInFlight?: number;
  /** Where segments run here, default `auto`: `wasm`, which small networks are quickest on; `webgpu` loads 27 MB more. */
  readonly provider?: PageProvider;
  /** Threads of a session. Default: half of the cores and at most four in a page that is cross-origin isolated, else one. */
  readonly threads?: number;
  /** The worker's script, of the page's own origin. Default: `offramp-web-worker.js` beside this module. */
  readonly workerUrl?: string | URL;
  /** Folder of onnxruntime's files, of the page's own origin. Default: the worker's. */
  readonly wasmUrl?: string | URL;
}

export interface ClassifyOptions {
  /** Milliseconds for this answer, from the time that the worker has it. */
  readonly budgetMs?: number;
  /** Told what the device thinks of an image that is not sure enough to leave, while the servers are asked. */
  readonly onDevice?: (device: DeviceOpinion) => void;
}

/** What is followed now. */
export interface SettingsInUse {
  readonly cut: number;
  /** Absent where no codes are sent. */
  readonly channels?: number;
  /** Of the exits that this device reaches, the first one first. */
  readonly thresholds: readonly number[];
  readonly calibratedThresholds: readonly number[];
  readonly budgetMs: number;
}

/** What a page needs to know of its bundle. */
export interface BundleFacts {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  readonly digest: string;
  readonly classes: readonly string[];
  /** Height, width, channels. */
  readonly inputShape: readonly number[];
  /** Names; the last one has no threshold. */
  readonly exits: readonly { readonly name: string; readonly threshold?: number }[];
  /** By the segments that the device runs, from cut 1 on. */
  readonly cuts: readonly { readonly cut: number; readonly channels: readonly number[] }[];
}

/** An error in words. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface ServerStatus {
  readonly url: string;
  readonly connected: boolean;
  /** What it says that it is. */
  readonly server?: string;
  /** Answers that came after their budget. */
  readonly lateAnswers: number;
  readonly link?: LinkFigures;
  readonly problem?: Problem;
}

export interface PlanStatus {
  readonly key: string;
  readonly changes: number;
  readonly predicted: {
    readonly latency: LatencyFigures;
    readonly accuracy: number;
    readonly deviceShare: number;
    readonly bytes: number;
  };
}

export interface AgentStatus {
  readonly version: string;
  /** Where segments really run, and with how many threads. */
  readonly provider: RunnerProvider;
  readonly threads: number;
  /** What each segment on the device took once it was warm, milliseconds. */
  readonly segmentMs: readonly number[];
  readonly bundle: BundleFacts;
  readonly inFlight: number;
  /** Where plans change, those of the plan followed last. */
  readonly settings: SettingsInUse;
  /** Only where plans change, and an image has come. */
  readonly plan?: PlanStatus;
  /** Absent for a bundle whose calibration says nothing of it. */
  readonly exitShare?: ExitShareFigures;
  /** Absent for a page that stands alone. */
  readonly cloud?: {
    readonly connected: boolean;
    readonly problem?: Problem;
    readonly servers: readonly ServerStatus[];
  };
}

export type AgentEvent =
  | { readonly kind: 'connected'; readonly url: string; readonly server: string }
  | { readonly kind: 'goaway'; readonly url: string; readonly reason: string }
  | {
      readonly kind: 'disconnected';
      readonly url: string;
      readonly problem: Problem;
      readonly retryInMs: number;
    }
  | { readonly kind: 'plan'; readonly key: string }
  | {
      readonly kind: 'exit-share';
      readonly change: ExitShareChange;
      readonly figures: ExitShareFigures;
    };

/** An agent at work beside the page. */
export interface WebAgent {
  readonly bundle: BundleFacts;
  /**
   * As the agent of a daemon does. The caller's pixels are copied.
   * @throws OfframpError BUDGET_INVALID, IMAGE_INVALID, IMAGE_TOO_LARGE, BUSY, RUNTIME_FAILED, RUNTIME_STOPPED.
   */
  classify(image: PageImage, options?: ClassifyOptions): Promise<Answer>;
  /**
   * Changes what images that come from now on follow: all of it or, when it throws, nothing.
   * @throws OfframpError BUDGET_INVALID, CONFIG_INVALID, CUT_UNSUPPORTED, RATE_UNSUPPORTED, or what loading a segment throws.
   */
  configure(settings: AgentSettings): Promise<SettingsInUse>;
  /** @throws OfframpError RUNTIME_STOPPED. */
  status(): Promise<AgentStatus>;
  /** Calls `listener` at every event from now on, until what it returns is called. */
  onEvent(listener: (event: AgentEvent) => void): () => void;
  /** Says goodbye to the servers and ends the worker; what is under way fails with RUNTIME_STOPPED. */
  close(): Promise<void>;
}
