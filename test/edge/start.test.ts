import pino from 'pino';
import { suite } from 'uvu';
import { type EdgeConfig, startEdge } from '../../edge/daemon/index.ts';
import { parseTokens } from '../../shared/host/index.ts';
import { rejectsCode } from '../protocol/expect.ts';

const token = 'a-token-of-sufficient-length';

/** Settings that a daemon would start with, were they not refused before. */
function config(change: Partial<EdgeConfig>): EdgeConfig {
  return {
    ...{ host: '127.0.0.1', port: 0, tokens: [], bundleFolder: '/nowhere', budgetMs: 500, maxInFlight: 1 },
    ...{ workers: 1, threadsPerWorker: 1, version: 'test', resize: 'cover' },
    logger: pino({ level: 'silent' }),
    ...change,
  };
}

const Start = suite('starting the daemon');

for (const limit of ['connections 3', 'in-flight 3', 'rows-per-second 3']) {
  Start(`with a token that has '${limit}' is refused: only the cloud server holds that`, async () => {
    const tokens = parseTokens(`site-a ${token} ${limit}`, 'the test');
    await rejectsCode(startEdge(config({ tokens })), 'CONFIG_INVALID', "'site-a' has limits");
  });
}

Start('where others reach it, without a token, is refused', async () => {
  await rejectsCode(startEdge(config({ host: '0.0.0.0' })), 'CONFIG_INVALID', '--token-file');
});

Start('with files for TLS and no wss: address is refused', async () => {
  const change = { cloudUrls: ['ws://127.0.0.1:1'], cloudTls: { caFile: '/nowhere' } };
  await rejectsCode(startEdge(config(change)), 'CONFIG_INVALID', 'wss:');
});

Start.run();
