/** A thread that runs pieces of a scenario's cells, one at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { OfframpError } from '../../../shared/errors.ts';
import { runPiece } from '../cells.ts';
import { type PreparedScenario, prepareScenario } from '../prepare-scenario.ts';
import type { FromSweepThread, SweepInit, ToSweepThread } from './messages.ts';

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread only');
// The thread's creator is the only one that sets workerData, and it sets exactly this.
const { scenario, place } = (workerData as { readonly init: SweepInit }).init;

async function answer(prepared: PreparedScenario, piece: ToSweepThread): Promise<FromSweepThread> {
  try {
    return { kind: 'done', result: await runPiece(prepared, piece) };
  } catch (thrown) {
    return failure(thrown);
  }
}

function failure(thrown: unknown): FromSweepThread {
  const { code, message } = OfframpError.from(thrown);
  return { kind: 'failed', code, message };
}

try {
  const prepared = await prepareScenario(scenario, place);
  port.on('message', async (piece: ToSweepThread) => port.postMessage(await answer(prepared, piece)));
} catch (thrown) {
  port.postMessage(failure(thrown));
}
