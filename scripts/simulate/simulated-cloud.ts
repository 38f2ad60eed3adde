import {
  type CloudLimits,
  defaultCloudLimits,
  Engine,
  type SchedulerName,
  type ServedBundle,
  schedulerNamed,
} from '../../cloud/index.ts';
import { batchingPolicies } from '../../cloud/policies.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { CostProfile } from '../profile/index.ts';
import { sampler } from '../profile/index.ts';
import { markRow, ReplayRunner } from './replay-runner.ts';
import type { ReplayedImages } from './replayed-images.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface SimulatedCloudOptions {
  readonly time: VirtualTime;
  readonly served: ServedBundle;
  readonly images: ReplayedImages;
  readonly costs: CostProfile['cloud'];
  readonly executors: number;
  readonly scheduler: SchedulerName;
  readonly maxBatchRows: number;
  readonly random: () => number;
}

/** One image's request as it reaches the server. */
export interface CloudRequest {
  readonly client: string;
  readonly image: number;
  readonly cut: number;
  readonly channels: number | undefined;
  readonly budgetMs: number;
}

/** What the server answers. */
export interface CloudAnswer {
  readonly exit: number;
  readonly isDepthCut: boolean;
  readonly queueMicros: number;
  readonly runMicros: number;
  readonly queuedRows: number;
}

export type CloudReply = { readonly answer: CloudAnswer } | { readonly error: OfframpError };

/** The server's own engine, batcher and scheduler on a virtual clock; only its executors are replaced by what was measured of them. */
export class SimulatedCloud {
  readonly #options: SimulatedCloudOptions;
  readonly #engine: Engine;
  readonly #runner: ReplayRunner;
  readonly #aroundMs: () => number;
  readonly #decodeMs: () => number;
  #batches = 0;
  #rows = 0;

  constructor(options: SimulatedCloudOptions) {
    const { time, served, costs, scheduler, maxBatchRows, random } = options;
    this.#options = options;
    this.#runner = new ReplayRunner(options);
    const limits: CloudLimits = { ...defaultCloudLimits, maxBatchRows };
    this.#engine = new Engine({
      ...{ runner: this.#runner, clock: time, limits, policyOf: batchingPolicies({}, limits) },
      scheduler: schedulerNamed(scheduler, options.executors),
      observer: {
        onBatch: (_bundle, _cut, rows) => {
          this.#batches++;
          this.#rows += rows;
        },
        onRow: () => {},
        onDepthCut: () => {},
        onQueued: () => {},
      },
    });
    this.#engine.introduce(served, this.#runner.warmRuns(maxBatchRows));
    this.#aroundMs = sampler(costs.aroundMs, random);
    this.#decodeMs = sampler(costs.decodeMs, random);
  }

  /** Executor time since the start, milliseconds. */
  get busyMs(): number {
    return this.#runner.busyMs;
  }

  get meanBatchRows(): number {
    return this.#batches === 0 ? 0 : this.#rows / this.#batches;
  }

  /** Takes a request whose last byte has come; `reply` is called once, when the answer's first byte may leave. */
  receive(request: CloudRequest, reply: (reply: CloudReply) => void): void {
    const { time } = this.#options;
    const decodeMs = request.cut === 0 ? this.#decodeMs() : 0;
    const waitMs = this.#aroundMs() + decodeMs;
    const submit = () => this.#submit(request, waitMs, decodeMs, reply);
    if (waitMs > 0) time.at(time.now() + waitMs, submit);
    else submit();
  }

  #submit(
    request: CloudRequest,
    waitedMs: number,
    decodeMs: number,
    reply: (reply: CloudReply) => void,
  ): void {
    const { served, images } = this.#options;
    const { client, image, cut, channels, budgetMs } = request;
    const tensor = new Uint8Array(rowBytes(served, cut));
    markRow(tensor, 0, image, images.rateAt(cut, channels));
    try {
      this.#engine.submitTensor({
        ...{ served, cut, client, budgetMs: budgetMs - waitedMs, way: 'cascade', tensor, rows: 1 },
        onError: (error) => reply({ error }),
        onResult: ({ exits: [exit = 0], depthCut, queueMicros, runMicros, queuedRows }) => {
          const isDepthCut = depthCut !== undefined;
          reply({
            answer: { exit, isDepthCut, queueMicros, runMicros: runMicros + 1000 * decodeMs, queuedRows },
          });
        },
      });
    } catch (thrown) {
      reply({ error: OfframpError.from(thrown) });
    }
  }
}

function rowBytes({ bundle }: ServedBundle, cut: number): number {
  const shape = bundle.manifest.segments[cut]?.input.shape ?? [];
  return shape.reduce((product, size) => product * size, 1);
}
