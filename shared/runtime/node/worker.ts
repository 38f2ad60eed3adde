/**
 * A worker thread that owns its sessions. `session.run()` and `create()` block the thread they are called on, which here holds up
 * nobody. The thread ends by message: ending it from outside while it computes aborts the whole process.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { OfframpError } from '../../errors.ts';
import { Sessions } from '../sessions.ts';
import { libraryOf } from './library.ts';
import type { FromWorker, ToWorker, WorkerInit } from './messages.ts';

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread only');
// The thread's creator is the only one that sets workerData, and the pool sets exactly this.
const init = (workerData as { readonly init: WorkerInit }).init;

const post = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

async function run(
  sessions: Sessions,
  { job, key, input, rows }: Extract<ToWorker, { kind: 'run' }>,
): Promise<void> {
  const { outputs, runMicros } = await sessions.run(key, input, rows);
  post(
    { kind: 'done', job, outputs, runMicros },
    outputs.map((output) => output.buffer),
  );
}

function serve(sessions: Sessions): void {
  // One message at a time: a stop that overtook a run would free the sessions under it.
  let previous = Promise.resolve();
  port?.on('message', (message: ToWorker) => {
    previous = previous.then(() => obey(sessions, message));
  });
}

async function obey(sessions: Sessions, message: ToWorker): Promise<void> {
  if (message.kind === 'stop') {
    await sessions.release();
    port?.close();
    return;
  }
  const { job } = message;
  try {
    if (message.kind === 'run') await run(sessions, message);
    else if (message.kind === 'load')
      post({ kind: 'loaded', job, warmRuns: await sessions.load(message.graphs) });
    else {
      await sessions.unload(message.keys);
      post({ kind: 'unloaded', job });
    }
  } catch (thrown) {
    const { code, message: reason } = OfframpError.from(thrown, 'RUNTIME_FAILED');
    post({ kind: 'job-failed', job, code, message: reason });
  }
}

try {
  const sessions = await Sessions.open(init, libraryOf);
  serve(sessions);
  post({ kind: 'ready', provider: sessions.provider, warmRuns: sessions.warmRuns });
} catch (thrown) {
  const { code, message } = OfframpError.from(thrown, 'RUNTIME_FAILED');
  post({ kind: 'failed', code, message });
  port.close();
}
