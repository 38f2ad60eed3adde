import type { StageTimes } from '../../../edge/agent/index.ts';

/** Where the time went, milliseconds; they add up to the latency. */
export interface CallStages extends StageTimes {
  /** Outside the agent: sent late, and from the caller to the daemon and back. */
  readonly call: number;
}

/** What an answer says of itself. */
export interface TimedAnswer {
  readonly latencyMs: number;
  readonly stagesMs: StageTimes;
  /** Name of the exit that answered. */
  readonly exit: string;
}

export interface StageSample extends CallStages {
  readonly exitName: string;
}

/** Keeps the stages of every answer. */
export class StageSamples {
  readonly #fromMs: number;
  readonly #samples: StageSample[] = [];

  /** @param fromMs answers to images that came before are left out. */
  constructor(fromMs: number) {
    this.#fromMs = fromMs;
  }

  /** @param latencyMs as whoever sent the image has it. */
  add(arrivedAtMs: number, latencyMs: number, answer: TimedAnswer): void {
    if (arrivedAtMs < this.#fromMs) return;
    const { prepare, device, exit, encode, network, cloudQueue, cloudRun } = answer.stagesMs;
    this.#samples.push({
      ...{ call: latencyMs - answer.latencyMs, prepare, device, exit, encode, network, cloudQueue, cloudRun },
      exitName: answer.exit,
    });
  }

  get samples(): readonly StageSample[] {
    return this.#samples;
  }

  means(): CallStages {
    const mean = (of: (sample: StageSample) => number) =>
      this.#samples.reduce((sum, sample) => sum + of(sample), 0) / Math.max(1, this.#samples.length);
    return {
      ...{ call: mean(({ call }) => call), prepare: mean(({ prepare }) => prepare) },
      ...{ device: mean(({ device }) => device), exit: mean(({ exit }) => exit) },
      ...{ encode: mean(({ encode }) => encode), network: mean(({ network }) => network) },
      ...{ cloudQueue: mean(({ cloudQueue }) => cloudQueue), cloudRun: mean(({ cloudRun }) => cloudRun) },
    };
  }
}
