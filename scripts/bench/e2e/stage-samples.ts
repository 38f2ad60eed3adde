import type { StageTimes } from '../../../edge/agent/index.ts';

/** Where the time went, milliseconds in the mean; they add up to the mean latency. */
export interface MeanStages extends StageTimes {
  /** Outside the agent: sent late, and from the caller to the daemon and back. */
  readonly call: number;
}

/** Takes the mean of answers' stages. */
export class StageMeans {
  readonly #fromMs: number;
  readonly #sums = {
    call: 0,
    prepare: 0,
    device: 0,
    exit: 0,
    encode: 0,
    network: 0,
    cloudQueue: 0,
    cloudRun: 0,
  };
  #answers = 0;

  /** @param fromMs answers to images that came before are left out. */
  constructor(fromMs: number) {
    this.#fromMs = fromMs;
  }

  /** @param latencyMs as whoever sent the image has it. */
  add(
    arrivedAtMs: number,
    latencyMs: number,
    answer: { readonly latencyMs: number; readonly stagesMs: StageTimes },
  ): void {
    if (arrivedAtMs < this.#fromMs) return;
    this.#answers++;
    const { prepare, device, exit, encode, network, cloudQueue, cloudRun } = answer.stagesMs;
    this.#sums.call += latencyMs - answer.latencyMs;
    this.#sums.prepare += prepare;
    this.#sums.device += device;
    this.#sums.exit += exit;
    this.#sums.encode += encode;
    this.#sums.network += network;
    this.#sums.cloudQueue += cloudQueue;
    this.#sums.cloudRun += cloudRun;
  }

  means(): MeanStages {
    const { call, prepare, device, exit, encode, network, cloudQueue, cloudRun } = this.#sums;
    const mean = (sum: number) => sum / Math.max(1, this.#answers);
    return {
      ...{ call: mean(call), prepare: mean(prepare), device: mean(device), exit: mean(exit) },
      ...{ encode: mean(encode), network: mean(network) },
      ...{ cloudQueue: mean(cloudQueue), cloudRun: mean(cloudRun) },
    };
  }
}
