import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultHttpLimits, extensions } from '../../cloud/http/index.ts';
import { maxJsonDepth } from '../../cloud/http/json-body.ts';
import { maxBudgetMs, maxJsonBytes, maxJsonNumbers } from '../../cloud/http/limits.ts';
import { CloudMetrics, defaultCloudLimits } from '../../cloud/index.ts';
import { defineCloud } from '../../scripts/cli/cloud.ts';
import { errorKind, isErrorCode } from '../../shared/errors.ts';
import { HeldRunner } from '../cloud/engine-source.ts';
import { startApi, stopAll } from '../cloud/http/api-source.ts';
import { firstCells, readPage } from './page.ts';

const page = readPage('inference-protocol.md');

/** Second cell of the row whose first cell begins so. */
function cellOf(first: string): string {
  const row = page.split('\n').find((line) => line.startsWith(`| ${first}`));
  return row?.split('|')[2]?.trim() ?? '';
}

const Page = suite('docs/inference-protocol.md');

Page('states the limits that hold', () => {
  const mebibyte = 2 ** 20;
  assert.is(cellOf('rows of a request'), String(defaultHttpLimits.maxHttpRows));
  assert.ok(
    cellOf("bytes of a request's").startsWith(`${defaultHttpLimits.maxHttpTensorBytes / mebibyte} MiB`),
  );
  assert.ok(cellOf('bytes of JSON').startsWith(`${maxJsonBytes / mebibyte} MiB`));
  assert.ok(cellOf('elements of outputs').startsWith(String(maxJsonNumbers)));
  assert.is(cellOf('depth of JSON'), String(maxJsonDepth));
  assert.is(cellOf('requests under way'), String(defaultHttpLimits.maxHttpRequests));
  assert.is(cellOf('bytes of all'), `${defaultHttpLimits.maxHttpHeldBytes / mebibyte} MiB`);
  assert.ok(cellOf('silence').endsWith(`${defaultCloudLimits.idleTimeoutMs / 1000} seconds`));
  assert.ok(cellOf('parameter `timeout`').includes(`up to ${maxBudgetMs * 1000}`));
  assert.ok(
    cellOf('parameter `timeout`').includes(`${defaultHttpLimits.httpBudgetMs / 1000} seconds when absent`),
  );
});

Page('names codes with the status that they have', () => {
  const section = page.split(/^## /m).find((one) => one.startsWith('Errors')) ?? '';
  const rows = [...section.matchAll(/^\| ([\d, ]+) \| (.+?) \|/gm)];
  assert.ok(rows.length > 8);
  for (const [, statuses = '', codes = ''] of rows) {
    for (const [, code = ''] of codes.matchAll(/`([A-Z_]+)`/g)) {
      assert.ok(isErrorCode(code), code);
      if (isErrorCode(code))
        assert.ok(statuses.split(', ').includes(String(errorKind(code).httpStatus)), code);
    }
  }
});

Page('lists routes that are there', async () => {
  const { url } = await startApi({ runner: new HeldRunner() });
  const routes = firstCells(page, 'route').flatMap((cell) => cell.split(', '));
  assert.ok(routes.length > 10);
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ');
    if (path === '/openapi.json') continue;
    const place = path.replace('MODEL', 'b-lenet-mnist');
    const { status } = await fetch(`${url}${place}`, { method });
    assert.ok([200, 400, 501].includes(status), `${route}: ${status}`);
  }
  await stopAll();
});

Page('has one word for every extension that the server names', () => {
  const words: Record<(typeof extensions)[number], string> = {
    binary_tensor_data: 'binary_data_size',
    classification: 'classification',
    model_configuration: '/config',
    model_repository: '/v2/repository/index',
    schedule_policy: 'priority',
    statistics: '/stats',
  };
  for (const extension of extensions) assert.ok(page.includes(words[extension]), extension);
});

Page("names for Triton's options and metrics such as there are here", () => {
  const part = page.split(/^## /m).find((one) => one.startsWith('Coming from Triton')) ?? '';
  const ours = part
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .flatMap((line) => [...(line.split('|')[2] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  const options = ours.filter((name) => name.startsWith('--'));
  assert.ok(options.length > 8);
  const known = defineCloud().options.map(({ long }) => long);
  assert.equal(
    options.filter((name) => !known.includes(name)),
    [],
  );
  const metrics = ours
    .filter((name) => name.startsWith('offramp_'))
    .map((name) => name.replace(/_count$/, ''));
  assert.ok(metrics.length > 6);
  const exposed = idleMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name);
  assert.equal(
    metrics.filter((name) => !exposed.includes(name)),
    [],
  );
});

Page.run();

function idleMetrics(): CloudMetrics {
  return new CloudMetrics('cpu', {
    load: () => ({ queuedRows: 0, runningRows: 0 }),
    undecodedRows: () => 0,
    connections: () => 0,
    alarmedDevices: () => ({}),
    clientConnections: () => new Map(),
    tlsExpiresAtMs: () => undefined,
  });
}
