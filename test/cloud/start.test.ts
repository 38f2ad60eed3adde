import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CloudConfig, defaultCloudLimits, startCloud } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';

const model = 'models/b-lenet-mnist';
const folder = mkdtempSync(join(tmpdir(), 'offramp-start-'));

type Change = Partial<Pick<CloudConfig, 'batching' | 'repositoryFolder'>>;

function start(bundleFolders: readonly string[], change: Change = {}) {
  return startCloud({
    host: '127.0.0.1',
    port: 0,
    tokens: { entries: [] },
    bundleFolders,
    providers: ['cpu'],
    workers: 1,
    threadsPerWorker: 1,
    limits: defaultCloudLimits,
    version: 'test',
    logger: pino({ level: 'silent' }),
    ...change,
  });
}

async function refusal(bundleFolders: readonly string[], change: Change = {}): Promise<OfframpError> {
  try {
    const cloud = await start(bundleFolders, change);
    await cloud.stop();
  } catch (thrown) {
    if (thrown instanceof OfframpError) return thrown;
    throw thrown;
  }
  throw new Error('the server started');
}

const Start = suite('starting a server');

Start.after(() => rmSync(folder, { recursive: true }));

Start('two bundles of one id are refused: their graphs would be taken for each other', async () => {
  const other = join(folder, 'other');
  cpSync(model, other, { recursive: true });
  const manifest = readFileSync(join(other, 'manifest.json'), 'utf8');
  writeFileSync(join(other, 'manifest.json'), manifest.replace('"title": "', '"title": "Other '));
  const error = await refusal([model, other]);
  assert.is(error.code, 'CONFIG_INVALID');
  assert.match(error.message, "Two bundles have the id 'b-lenet-mnist'");
});

Start('one bundle given twice is refused', async () => {
  assert.is((await refusal([model, model])).code, 'CONFIG_INVALID');
});

Start('batching settings of a bundle that is not served are refused, and not passed over', async () => {
  const { code, message } = await refusal([model], { batching: { 'b-lenet': { max_batch_size: 8 } } });
  assert.is(code, 'CONFIG_INVALID');
  assert.is(
    message,
    'bundles.b-lenet: got settings of a bundle that is not served, expected one of b-lenet-mnist',
  );
});

Start('with a repository there may be settings of a bundle that comes later', async () => {
  const batching = { 'comes-later': { max_batch_size: 8 } };
  const cloud = await start([model], { batching, repositoryFolder: folder });
  assert.is(await cloud.stop(), 0);
});

Start('a repository that cannot be read stops the start', async () => {
  const { code, message } = await refusal([model], { repositoryFolder: join(folder, 'nowhere') });
  assert.is(code, 'CONFIG_INVALID');
  assert.match(message, /^Cannot read the repository of bundles: .*nowhere/);
});

Start.run();
