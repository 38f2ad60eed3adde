import { OfframpError } from '../../shared/errors.ts';
import type { DeviceOpinion } from '../agent/index.ts';
import type { AgentEvent } from './api.ts';
import { type AskKind, type Asks, errorOf, type FromWorker } from './messages.ts';

interface AskOptions {
  readonly transfer?: Transferable[];
  readonly onDevice?: (device: DeviceOpinion) => void;
}

interface Job extends Pick<AskOptions, 'onDevice'> {
  resolve(answer: Asks[AskKind]['answer']): void;
  reject(error: OfframpError): void;
}

/** A page's end of the conversation with its worker. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  readonly #listeners = new Set<(event: AgentEvent) => void>();
  #nextJob = 1;
  /** Why nothing can be asked any more. */
  #end: OfframpError | undefined;

  /** @param url of the worker's script. */
  constructor(url: URL) {
    this.#worker = new Worker(url, { type: 'module', name: 'offramp' });
    this.#worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => this.#onMessage(data));
    this.#worker.addEventListener('error', ({ message }) => {
      // Without words the script itself could not be loaded.
      const why = message || `cannot load ${url.href}: is it there, of this page's origin, with its headers?`;
      this.#stop(new OfframpError('RUNTIME_FAILED', `The agent's worker failed: ${why}`));
    });
    this.#worker.addEventListener('messageerror', () => {
      this.#stop(new OfframpError('RUNTIME_FAILED', "The agent's worker sent what cannot be read"));
    });
  }

  /** @throws OfframpError of the worker, or why there is none any more. */
  ask<Kind extends AskKind>(
    kind: Kind,
    order: Asks[Kind]['order'],
    { transfer = [], ...listener }: AskOptions = {},
  ): Promise<Asks[Kind]['answer']> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      const job = this.#nextJob++;
      // What comes back under a number is the answer to what was asked under it.
      this.#jobs.set(job, { resolve: resolve as Job['resolve'], reject, ...listener });
      this.#worker.postMessage({ kind, job, order }, transfer);
    });
  }

  onEvent(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Has the worker say goodbye and ends it; what is under way fails. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    try {
      await this.ask('close', undefined);
    } finally {
      this.end();
    }
  }

  /** Ends the worker at once; what is under way fails. */
  end(): void {
    this.#stop(new OfframpError('RUNTIME_STOPPED', 'The agent of this page was closed'));
  }

  #onMessage(message: FromWorker): void {
    if (message.kind === 'event') {
      for (const listener of [...this.#listeners]) listener(message.event);
      return;
    }
    const job = this.#jobs.get(message.job);
    if (message.kind === 'device') {
      job?.onDevice?.(message.device);
      return;
    }
    this.#jobs.delete(message.job);
    if (message.kind === 'done') job?.resolve(message.answer);
    else job?.reject(errorOf(message.error));
  }

  #stop(error: OfframpError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#worker.terminate();
    for (const { reject } of this.#jobs.values()) reject(error);
    this.#jobs.clear();
    this.#listeners.clear();
  }
}
