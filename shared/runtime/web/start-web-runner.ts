import type { LibraryOf } from '../library.ts';
import { Sessions } from '../sessions.ts';
import { TurnRunner, type TurnRunnerOptions } from '../turn-runner.ts';

export interface WebRunnerOptions extends TurnRunnerOptions {
  readonly library: LibraryOf;
}

/**
 * Runs segments in the calling thread of a browser, which has to be a worker of its own: a page that computes stands still.
 * @throws OfframpError as {@link Sessions.open}.
 */
export async function startWebRunner({
  library,
  maxQueuedRuns,
  ...init
}: WebRunnerOptions): Promise<TurnRunner> {
  const sessions = await Sessions.open({ ...init, warmUpRows: [1] }, library);
  return new TurnRunner(sessions, { maxQueuedRuns, pause: eventLoopTurn() });
}

/** A turn of the event loop; a timer would take 4 ms when asked for again and again. */
function eventLoopTurn(): () => Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  return () =>
    new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(undefined);
    });
}
