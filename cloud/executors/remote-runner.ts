import { type Clock, systemClock } from '../../shared/clock.ts';
import { errorKind, OfframpError } from '../../shared/errors.ts';
import type { LoadingRunner, RunOutput, SegmentGraph, WarmRun } from '../../shared/runtime/index.ts';
import type { Encoding, InferResponse, OipClient } from '../oip-client/index.ts';
import { checkRemoteModel, datatypeOf, modelNameOf, type RemoteModel } from './remote-models.ts';
import { RunSlots } from './run-slots.ts';
import { Watchdog } from './watchdog.ts';

export interface RemoteRunnerOptions {
  /** Closed together with the runner. */
  readonly client: OipClient;
  readonly graphs: readonly SegmentGraph[];
  /** Runs that are sent at the same time; as many again may wait. */
  readonly parallel: number;
  /** Rows of the largest run; the server has to take as many. */
  readonly maxRows: number;
  /** `auto`: binary where the server says that it speaks the binary tensor data extension. */
  readonly encoding?: Encoding | 'auto';
  /** For one run, from the request to the last byte of the answer. */
  readonly runTimeoutMs?: number;
  /** From one look at the server's health to the next. */
  readonly pollMs?: number;
  /** Batch sizes that every graph runs at before it counts as loaded; a single row when absent. */
  readonly warmUpRows?: readonly number[];
  /** The model of a graph, by its key; {@link modelNameOf} when absent. */
  readonly modelName?: (key: string) => string;
  readonly clock?: Clock;
  /** Called when the server cannot be used any more, and with nothing when it can again. */
  readonly onChange?: (problem: OfframpError | undefined) => void;
  /** Called for a model of which the server cannot say whether it is the same graph. */
  readonly onUnknownGraph?: (model: string) => void;
}

type Defaults = Required<
  Pick<RemoteRunnerOptions, 'clock' | 'encoding' | 'pollMs' | 'runTimeoutMs' | 'warmUpRows'>
>;
const defaults: Defaults = {
  clock: systemClock,
  encoding: 'auto',
  pollMs: 2000,
  runTimeoutMs: 10_000,
  warmUpRows: [1],
};
const healthTimeoutMs = 5000;
/** The name that servers give the extension in their metadata. */
const binaryExtension = 'binary_tensor_data';

/**
 * Runs segments on another server that speaks the Open Inference Protocol v2: each is a model there. While the server is away
 * runs are refused at once, so that callers can do without it; its health is looked at all the time.
 */
export class RemoteRunner implements LoadingRunner {
  readonly provider = 'remote';
  readonly #options: RemoteRunnerOptions & Defaults;
  readonly #models = new Map<string, RemoteModel>();
  readonly #slots: RunSlots;
  readonly #watchdog: Watchdog;
  #encoding: Encoding = 'binary';
  #warmRuns: readonly WarmRun[] = [];
  #closing: Promise<void> | undefined;

  private constructor(options: RemoteRunnerOptions) {
    this.#options = { ...defaults, ...options };
    const { parallel, clock, pollMs: everyMs } = this.#options;
    this.#slots = new RunSlots(parallel, parallel);
    this.#watchdog = new Watchdog({
      clock,
      everyMs,
      look: (wasWell) => this.#look(wasWell),
      onChange: (problem) => options.onChange?.(problem),
    });
  }

  /**
   * Checks every graph's model, and runs it.
   * @throws OfframpError BUNDLE_GRAPH_MISMATCH, CONFIG_INVALID, RUNTIME_FAILED, or what the client throws when the server is not
   * there.
   */
  static async start(options: RemoteRunnerOptions): Promise<RemoteRunner> {
    const runner = new RemoteRunner(options);
    try {
      await runner.#meetServer();
      runner.#warmRuns = await runner.load(options.graphs);
      return runner;
    } catch (thrown) {
      await runner.close();
      throw thrown;
    }
  }

  get parallel(): number {
    return this.#slots.slots;
  }

  /** Why nothing can run for now; `undefined` while the server is well. */
  get problem(): OfframpError | undefined {
    return this.#watchdog.problem;
  }

  /** What the graphs' runs took at start, the network included. */
  get warmRuns(): readonly WarmRun[] {
    return this.#warmRuns;
  }

  /** How tensors are sent. */
  get encoding(): Encoding {
    return this.#encoding;
  }

  async run(key: string, input: Uint8Array<ArrayBuffer>, rows: number): Promise<RunOutput> {
    const model = this.#models.get(key);
    if (model === undefined) throw new OfframpError('RUNTIME_FAILED', `No graph '${key}' was loaded`);
    this.#refuseInTrouble();
    await this.#slots.enter();
    try {
      this.#refuseInTrouble();
      return await this.#infer(model, input, rows);
    } catch (thrown) {
      throw this.#failure(thrown, model);
    } finally {
      this.#slots.leave();
    }
  }

  async load(graphs: readonly SegmentGraph[]): Promise<readonly WarmRun[]> {
    const { modelName = modelNameOf } = this.#options;
    const models = graphs.map((graph) => ({ name: modelName(graph.key), graph }));
    this.#refuseTwins(models);
    const warmRuns: WarmRun[] = [];
    for (const model of models) {
      await this.#check(model);
      for (const rows of this.#options.warmUpRows) warmRuns.push(await this.#warmRun(model, rows));
    }
    this.#refuseClosed();
    for (const model of models) this.#models.set(model.graph.key, model);
    return warmRuns;
  }

  async unload(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#models.delete(key);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#watchdog.stop();
    await this.#slots.close(new OfframpError('RUNTIME_STOPPED', 'The remote runner is stopping'));
    this.#options.client.close();
  }

  #look(wasWell: boolean): Promise<void> {
    return onceMore(() => this.#lookOnce(wasWell));
  }

  async #lookOnce(wasWell: boolean): Promise<void> {
    const { client } = this.#options;
    if (!(await client.isServerReady({ timeoutMs: healthTimeoutMs }))) {
      throw new OfframpError('RUNTIME_FAILED', `${client.origin} says that it is not ready`);
    }
    // A server that was away may have come back as another one.
    if (!wasWell) await this.#meetServer();
    for (const model of this.#models.values()) {
      if (!wasWell) await this.#check(model);
      else if (!(await client.isModelReady(model.name, { timeoutMs: healthTimeoutMs }))) {
        throw new OfframpError(
          'RUNTIME_FAILED',
          `${client.origin} has no model '${model.name}' that is ready`,
        );
      }
    }
  }

  async #meetServer(): Promise<void> {
    const { client, encoding } = this.#options;
    const { extensions } = await client.serverMetadata({ timeoutMs: healthTimeoutMs });
    const best = extensions.includes(binaryExtension) ? 'binary' : 'json';
    this.#encoding = encoding === 'auto' ? best : encoding;
  }

  async #check(model: RemoteModel): Promise<void> {
    const { client, maxRows, onUnknownGraph } = this.#options;
    const { identity } = await checkRemoteModel(client, model, maxRows, { timeoutMs: healthTimeoutMs });
    if (identity === 'unknown') onUnknownGraph?.(model.name);
  }

  /** Two versions of a bundle have one name on the other server, which has one of them at most. */
  #refuseTwins(models: readonly RemoteModel[]): void {
    const names = new Map([...this.#models.values()].map(({ name, graph }) => [name, graph.key]));
    for (const { name, graph } of models) {
      const other = names.get(name);
      if (other !== undefined) {
        const message = `${graph.key} and ${other} would both be the model '${name}' of ${this.#options.client.origin}`;
        throw new OfframpError('CONFIG_INVALID', message);
      }
      names.set(name, graph.key);
    }
  }

  /** The second run of a shape, as a worker thread measures it. */
  async #warmRun(model: RemoteModel, rows: number): Promise<WarmRun> {
    const { key, input } = model.graph;
    const zeros = new Uint8Array(input.shape.reduce((product, size) => product * size, rows));
    await this.#infer(model, zeros, rows);
    const { runMicros } = await this.#infer(model, zeros, rows);
    return { key, rows, runMicros };
  }

  async #infer(model: RemoteModel, input: Uint8Array, rows: number): Promise<RunOutput> {
    const { clock } = this.#options;
    const startedAtMs = clock.now();
    const response = await onceMore(() => this.#ask(model, input, rows));
    const runMicros = (clock.now() - startedAtMs) * 1000;
    return { outputs: response.outputs.map(({ data }) => outputData(data)), runMicros };
  }

  #ask({ name, graph }: RemoteModel, input: Uint8Array, rows: number): Promise<InferResponse> {
    const { client, runTimeoutMs: timeoutMs } = this.#options;
    return client.infer(
      {
        model: name,
        inputs: [
          { name: graph.input.name, datatype: 'UINT8', shape: [rows, ...graph.input.shape], data: input },
        ],
        outputs: graph.outputs.map((output) => ({
          name: output.name,
          datatype: datatypeOf(output),
          shape: [rows, ...output.shape],
        })),
        encoding: this.#encoding,
        timeoutMicros: timeoutMs * 1000,
      },
      { timeoutMs },
    );
  }

  #refuseClosed(): void {
    if (this.#closing === undefined) return;
    throw new OfframpError('RUNTIME_STOPPED', 'The remote runner has stopped');
  }

  #refuseInTrouble(): void {
    this.#refuseClosed();
    const { problem } = this.#watchdog;
    if (problem === undefined) return;
    const { client, pollMs: retryAfterMs } = this.#options;
    const message = `${client.origin}, which runs the segments, cannot be used: ${problem.message}`;
    throw new OfframpError('RUNTIME_FAILED', message, { retryAfterMs });
  }

  /** As a caller of runs knows it: BUSY, RUNTIME_STOPPED or RUNTIME_FAILED. */
  #failure(thrown: unknown, { name }: RemoteModel): OfframpError {
    const error = OfframpError.from(thrown, 'RUNTIME_FAILED');
    if (error.code === 'CLOUD_UNREACHABLE' || error.code === 'CONNECTION_LOST') this.#watchdog.report(error);
    if (['BUSY', 'RUNTIME_FAILED', 'RUNTIME_STOPPED'].includes(error.code)) return error;
    const { pollMs } = this.#options;
    const isBusy = [429, 503].includes(errorKind(error.code).httpStatus);
    const options = { cause: error, retryAfterMs: error.retryAfterMs ?? pollMs };
    return new OfframpError(isBusy ? 'BUSY' : 'RUNTIME_FAILED', `Model '${name}': ${error.message}`, options);
  }
}

/** Asks again when the connection broke: a server may close an idle one at the moment at which it is used. */
async function onceMore<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof OfframpError) || thrown.code !== 'CONNECTION_LOST') throw thrown;
    return await ask();
  }
}

/** Checked by the client: a segment's outputs are FP32 or UINT8. */
function outputData(data: ArrayBufferView): Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  if (isOwn(data)) return data;
  throw new OfframpError('INTERNAL', 'An output of a type that no segment has');
}

function isOwn(data: ArrayBufferView): data is Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  return data instanceof Float32Array || data instanceof Uint8Array;
}
