import type { Bundle } from '../../shared/bundle/index.ts';
import type {
  ArrivingImages,
  CloudLine,
  LinkView,
  PlanCosts,
  Sizes,
  StreamSizes,
  Timing,
} from '../../shared/plan/index.ts';
import type { BundleRun } from '../../shared/protocol/index.ts';
import type { Answer, DeviceOpinion, StageTimes } from './answer.ts';

export interface MeasuredCostsOptions {
  readonly bundle: Bundle;
  /** What each segment that the device has takes on it, until images tell, milliseconds. */
  readonly segmentMs: readonly number[];
  /** Images that the device computes at the same time. Default: 1. */
  readonly parallel?: number;
}

/** What is known without an image's answer. */
export interface KnownCosts {
  /** The way to the server; absent when there is none. */
  readonly link?: LinkView | undefined;
  /** What the server has told of its batches. */
  readonly runs?: readonly BundleRun[] | undefined;
  /** How images come; absent while too few have. */
  readonly arriving?: ArrivingImages | undefined;
}

/** The part of an answer that says what it cost. */
export interface AnswerCosts extends Pick<Answer, 'exit' | 'route' | 'degraded' | 'bytesSent'> {
  readonly device?: Pick<DeviceOpinion, 'exit' | 'runMs'>;
  readonly stagesMs: Pick<StageTimes, 'prepare' | 'exit' | 'cloudQueue' | 'cloudRun'>;
}

/** The part of a plan that decides where an image's costs fall. */
export interface Way {
  readonly cut: number;
  readonly channels?: number | undefined;
}

/** Weight of the newest image. */
const weight = 0.05;
/** A figure's 95th percentile moves up 19 times as fast as down, and so rests where one in twenty is above it. */
const tailStep = 0.02;
/** By so many standard deviations the 95th percentile of a normal distribution is above its mean. */
const normalP95 = 1.645;
/** Frame and WebSocket framing of an image at cut 0, until one was sent. */
const usualFrameBytes = 40;

/** A running median and 95th percentile, in constant memory (stochastic approximation of quantiles). */
class RunningTiming {
  #medianMs: number;
  #p95Ms: number;
  #isGuess: boolean;

  /** @param guessMs what stands for it until the first one comes. */
  constructor(guessMs: number) {
    this.#medianMs = guessMs;
    this.#p95Ms = guessMs;
    this.#isGuess = true;
  }

  get timing(): Timing {
    return { medianMs: this.#medianMs, p95Ms: Math.max(this.#medianMs, this.#p95Ms) };
  }

  add(ms: number): void {
    if (this.#isGuess) {
      this.#isGuess = false;
      this.#medianMs = ms;
      this.#p95Ms = ms;
      return;
    }
    // In proportion to itself, so that microseconds and seconds are learnt as fast.
    const step = Math.max(1e-3, this.#medianMs) * weight;
    this.#medianMs = Math.max(0, this.#medianMs + (ms > this.#medianMs ? step : -step));
    const tail = Math.max(1e-3, this.#p95Ms) * tailStep;
    this.#p95Ms = Math.max(0, this.#p95Ms + (ms > this.#p95Ms ? 19 * tail : -tail));
  }
}

/** A running mean and 95th percentile of sizes, in constant memory; that of a normal distribution, as a planner takes it. */
class RunningSizes {
  #mean = 0;
  #variance = 0;
  #count = 0;

  get sizes(): Sizes {
    return { meanBytes: this.#mean, p95Bytes: this.#mean + normalP95 * Math.sqrt(this.#variance) };
  }

  add(bytes: number): void {
    this.#count++;
    // The first ones weigh the same; West's update (1979) with a weight that then stays.
    const share = Math.max(weight, 1 / this.#count);
    const apart = bytes - this.#mean;
    this.#mean += share * apart;
    this.#variance = (1 - share) * (this.#variance + share * apart * apart);
  }
}

/** What images cost on their way, learnt from their answers, in the form in which a planner wants it. */
export class MeasuredCosts {
  readonly #bundle: Bundle;
  readonly #parallel: number;
  /** From the pixels to the decision of each exit that the device can reach. */
  readonly #exits: RunningTiming[];
  /** By cut, exit and channels. */
  readonly #runs = new Map<
    string,
    { readonly cut: number; readonly exit: number; readonly timing: RunningTiming }
  >();
  readonly #streams = new Map<
    string,
    { readonly cut: number; readonly channels: number; meanBytes: number }
  >();
  readonly #queue = new RunningTiming(0);
  /** What preparing takes that is saved where the image itself is sent; absent until a picture file was prepared. */
  #prepare: RunningTiming | undefined;
  /** Of images as they would be sent at cut 0; absent while these were pixels. */
  #image: RunningSizes | undefined;

  constructor({ bundle, segmentMs, parallel = 1 }: MeasuredCostsOptions) {
    this.#bundle = bundle;
    this.#parallel = parallel;
    let sum = 0;
    this.#exits = segmentMs.map((ms) => {
      sum += ms;
      return new RunningTiming(sum);
    });
  }

  /**
   * Takes in what an image cost; degraded ones count for the device alone.
   * @param imageBytes what it takes, or would take, at cut 0: the length of its file, or of its pixels where no file is sent. Absent
   * where nobody knows.
   */
  add(answer: AnswerCosts, { cut, channels }: Way, imageBytes?: number): void {
    const { stagesMs, device } = answer;
    this.#addPrepare(stagesMs.prepare, imageBytes);
    this.#addImage(answer, cut, imageBytes);
    const passed = device === undefined ? -1 : this.#exitNamed(device.exit);
    if (passed >= 0) this.#exits[passed]?.add((device?.runMs ?? 0) + stagesMs.exit);
    if (answer.degraded || (answer.route !== 'features' && answer.route !== 'image')) return;
    this.#queue.add(stagesMs.cloudQueue);
    this.#addRun(cut, this.#exitNamed(answer.exit), stagesMs.cloudRun);
    if (channels !== undefined) this.#addStream(cut, channels, answer.bytesSent);
  }

  costs({ link, runs = [], arriving }: KnownCosts): PlanCosts {
    const prepareMs = this.#prepare?.timing;
    const exitMs = this.#exits.map(({ timing }) => timing);
    const device = {
      ...{ exitMs, parallel: this.#parallel },
      ...(prepareMs !== undefined && { prepareMs }),
      ...(arriving !== undefined && { arriving }),
    };
    if (link === undefined) return { device, frameBytes: 0 };
    const cloud = { link, queueMs: this.#queue.timing, batchRows: 1, lines: this.#lines(runs) };
    const streams = [...this.#streams.values()].map((one): StreamSizes => ({ ...one }));
    const image = this.#image?.sizes;
    // What was measured has its frame in it already; what was not is small against that.
    return { device, cloud, streams, ...(image !== undefined && { image }), frameBytes: 0 };
  }

  #lines(told: readonly BundleRun[]): CloudLine[] {
    const lines = [...this.#runs.values()].map(({ cut, exit, timing }) => ({
      ...{ cut, exit, perRowMs: 0 },
      fixedMs: timing.timing.medianMs,
    }));
    for (const { cut, exit, fixedMicros, perRowMicros } of told) {
      if (this.#runs.has(runKey(cut, exit))) continue;
      lines.push({ cut, exit, perRowMs: perRowMicros / 1000, fixedMs: fixedMicros / 1000 });
    }
    if (lines.length > 0) return lines;
    // A server that has not said what it takes is thought to be as quick as this device.
    const last = this.#bundle.manifest.segments.length - 1;
    const ownMs = this.#exits.at(-1)?.timing.medianMs ?? 1;
    return [{ cut: 0, exit: last, perRowMs: 0, fixedMs: ownMs }];
  }

  /** What goes as pixels is prepared at every cut, and none saves that. */
  #addPrepare(ms: number, imageBytes: number | undefined): void {
    if (imageBytes === pixelBytes(this.#bundle)) this.#prepare?.add(0);
    // Where a file is sent nothing is prepared, which says nothing of what it would take.
    else if (ms > 0) {
      this.#prepare ??= new RunningTiming(ms);
      this.#prepare.add(ms);
    }
  }

  #addImage({ route, degraded, bytesSent }: AnswerCosts, cut: number, imageBytes: number | undefined): void {
    const isSent = cut === 0 && route === 'image' && !degraded;
    if (isSent) this.#addImageBytes(bytesSent);
    if (isSent || imageBytes === undefined) return;
    const isNews = this.#image !== undefined || imageBytes !== pixelBytes(this.#bundle);
    if (isNews) this.#addImageBytes(imageBytes + usualFrameBytes);
  }

  #addImageBytes(bytes: number): void {
    this.#image ??= new RunningSizes();
    this.#image.add(bytes);
  }

  #addRun(cut: number, exit: number, ms: number): void {
    const key = runKey(cut, exit);
    const known = this.#runs.get(key) ?? { cut, exit, timing: new RunningTiming(ms) };
    known.timing.add(ms);
    this.#runs.set(key, known);
  }

  #addStream(cut: number, channels: number, bytes: number): void {
    const key = `${cut}/${channels}`;
    const known = this.#streams.get(key);
    if (known === undefined) this.#streams.set(key, { cut, channels, meanBytes: bytes });
    else known.meanBytes += weight * (bytes - known.meanBytes);
  }

  #exitNamed(name: string): number {
    return this.#bundle.manifest.exits.findIndex((exit) => exit.name === name);
  }
}

function runKey(cut: number, exit: number): string {
  return `${cut}/${exit}`;
}

/** Of one image, uint8. */
export function pixelBytes({ manifest }: Pick<Bundle, 'manifest'>): number {
  return manifest.input.shape.reduce((product, size) => product * size, 1);
}
