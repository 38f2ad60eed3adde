import { Worker } from 'node:worker_threads';
import { OfframpError } from '../../../shared/errors.ts';
import type { Piece } from '../cells.ts';
import type { FleetResult } from '../fleet.ts';
import type { FromSweepThread, SweepInit } from './messages.ts';

interface Job {
  resolve(result: FleetResult): void;
  reject(error: OfframpError): void;
}

function spawn(init: SweepInit): Worker {
  const source = import.meta.url.endsWith('.ts');
  const entry = new URL(source ? './worker.ts' : './worker.js', import.meta.url);
  const file = source ? new URL('../../../shared/runtime/node/boot.mjs', import.meta.url) : entry;
  // The flags of the process are not the thread's: a loader would be registered twice, --eval would be refused.
  return new Worker(file, { workerData: { entry: entry.href, init }, execArgv: [] });
}

/** One thread of a sweep. Takes one piece at a time; once it has failed it is of no more use. */
export class SweepThread {
  readonly #worker: Worker;
  #job: Job | undefined;
  #end: OfframpError | undefined;

  constructor(init: SweepInit) {
    this.#worker = spawn(init);
    this.#worker.on('message', (message: FromSweepThread) => this.#onMessage(message));
    this.#worker.on('error', (thrown) => this.#fail(OfframpError.from(thrown)));
    this.#worker.on('exit', () =>
      this.#fail(new OfframpError('INTERNAL', 'A thread of the simulation ended before its work did')),
    );
  }

  /** @throws OfframpError what the run throws, or INTERNAL when the thread dies. */
  run(piece: Piece): Promise<FleetResult> {
    return new Promise((resolve, reject) => {
      this.#job = { resolve, reject };
      if (this.#end === undefined) this.#worker.postMessage(piece);
      else reject(this.#end);
    });
  }

  /** Ends the thread at once; what it runs is rejected. A simulation holds nothing that would be left half done. */
  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #onMessage(message: FromSweepThread): void {
    if (message.kind === 'done') this.#job?.resolve(message.result);
    else this.#fail(new OfframpError(message.code, message.message));
  }

  #fail(error: OfframpError): void {
    this.#end ??= error;
    this.#job?.reject(this.#end);
  }
}
