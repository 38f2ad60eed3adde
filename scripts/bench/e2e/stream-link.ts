import { OfframpError } from '../../../shared/errors.ts';
import { restartedMessage, restartMessage } from '../../links/index.ts';
import { type ServerProcess, spawnServer } from '../../processes.ts';
import type { LinkNeeds, LiveLink } from './live-link.ts';

const restartDeadlineMs = 5000;

/**
 * `offramp emulate` between server and device. A process of its own: the event loop of whoever sends the images and reads the answers
 * would make what travels late, most of all where a short delay is waited for in turns of that loop.
 */
export async function startStreamLink({ serverUrl, spec, seed, startAtMs }: LinkNeeds): Promise<LiveLink> {
  const between = ['--listen', '127.0.0.1:0', '--to', new URL(serverUrl).host];
  const settings = ['--link', spec, '--seed', String(seed), '--start-at-ms', String(startAtMs)];
  const emulator = await spawnServer(['emulate', ...between, ...settings], { stderr: 'inherit' });
  return {
    cloudUrl: emulator.url.replace(/^tcp/, 'ws'),
    enter: [],
    restart: () => restarted(emulator),
    async stop() {
      await emulator.stop();
    },
  };
}

function restarted({ child }: ServerProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => {
      clearTimeout(timer);
      reject(new OfframpError('INTERNAL', `The link was to begin anew: ${message}`));
    };
    const timer = setTimeout(() => fail(`nothing within ${restartDeadlineMs} ms`), restartDeadlineMs);
    child.once('message', (message) => {
      if (message !== restartedMessage) return fail(`it said ${JSON.stringify(message)}`);
      clearTimeout(timer);
      resolve();
    });
    child.send(restartMessage, (error) => {
      if (error !== null) fail(error.message);
    });
  });
}
