import type { Bundle } from '../../shared/bundle/index.ts';
import type { CloudLine, LinkView, PlanCosts, StreamSizes, Timing } from '../../shared/plan/index.ts';
import type { Answer } from './answer.ts';

export interface MeasuredCostsOptions {
  readonly bundle: Bundle;
  /** What each segment that the device has takes on it, until images tell, milliseconds. */
  readonly segmentMs: readonly number[];
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

/** What images cost on their way, learnt from their answers, in the form in which a planner wants it. */
export class MeasuredCosts {
  readonly #bundle: Bundle;
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

  constructor({ bundle, segmentMs }: MeasuredCostsOptions) {
    this.#bundle = bundle;
    let sum = 0;
    this.#exits = segmentMs.map((ms) => {
      sum += ms;
      return new RunningTiming(sum);
    });
  }

  /** Takes in what an image cost; degraded ones count for the device alone. */
  add(answer: Answer, { cut, channels }: Way): void {
    const { stagesMs, device } = answer;
    const passed = device === undefined ? -1 : this.#exitNamed(device.exit);
    if (passed >= 0) this.#exits[passed]?.add(stagesMs.device + stagesMs.exit);
    if (answer.degraded || (answer.route !== 'features' && answer.route !== 'image')) return;
    this.#queue.add(stagesMs.cloudQueue);
    this.#addRun(cut, this.#exitNamed(answer.exit), stagesMs.cloudRun);
    if (channels !== undefined) this.#addStream(cut, channels, answer.bytesSent);
  }

  /** @param link the way to the server; absent when there is none. */
  costs(link: LinkView | undefined): PlanCosts {
    const device = { exitMs: this.#exits.map(({ timing }) => timing) };
    if (link === undefined) return { device, frameBytes: 0 };
    const cloud = { link, queueMs: this.#queue.timing, batchRows: 1, lines: this.#lines() };
    const streams = [...this.#streams.values()].map((one): StreamSizes => ({ ...one }));
    // What was measured has its frame in it already; what was not is small against that.
    return { device, cloud, streams, frameBytes: 0 };
  }

  #lines(): CloudLine[] {
    const lines = [...this.#runs.values()].map(({ cut, exit, timing }) => ({
      ...{ cut, exit, perRowMs: 0 },
      fixedMs: timing.timing.medianMs,
    }));
    if (lines.length > 0) return lines;
    // Until the server has said what it takes it is thought to be as quick as this device.
    const last = this.#bundle.manifest.segments.length - 1;
    const ownMs = this.#exits.at(-1)?.timing.medianMs ?? 1;
    return [{ cut: 0, exit: last, perRowMs: 0, fixedMs: ownMs }];
  }

  #addRun(cut: number, exit: number, ms: number): void {
    const key = `${cut}/${exit}`;
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
