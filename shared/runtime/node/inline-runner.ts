import { setImmediate } from 'node:timers/promises';
import { Sessions } from '../sessions.ts';
import { TurnRunner, type TurnRunnerOptions } from '../turn-runner.ts';
import { libraryOf } from './library.ts';

export type InlineRunnerOptions = TurnRunnerOptions;

/**
 * Runs segments in the calling thread, which does nothing else meanwhile. The way to another thread and back takes some hundred
 * microseconds: for segments of less than a millisecond this is the quicker way, for longer ones it holds up sockets and timers.
 */
export class InlineRunner extends TurnRunner {
  /** @throws OfframpError as {@link Sessions.open}. */
  static async start({ maxQueuedRuns, ...init }: InlineRunnerOptions): Promise<InlineRunner> {
    const sessions = await Sessions.open({ ...init, warmUpRows: [1] }, libraryOf);
    return new InlineRunner(sessions, { maxQueuedRuns, pause: () => setImmediate() });
  }
}
