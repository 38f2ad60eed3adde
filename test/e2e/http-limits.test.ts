/** The limits of inference over HTTP that an operator sets, on the real server. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultHttpLimits } from '../../cloud/http/index.ts';
import { defineCloud } from '../../scripts/cli/cloud.ts';
import { cleanUp, type Server, startServer } from './support.ts';

const rowBytes = 28 * 28;

const limits = suite('limits of inference over HTTP');
limits.after.each(cleanUp);

interface Refusal {
  readonly status: number;
  readonly code: string | undefined;
  readonly error: string | undefined;
}

async function ask(server: Server, rows: number): Promise<Refusal> {
  const response = await fetch(`${server.url}/v2/models/b-lenet-mnist/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': '0' },
    body: new Uint8Array(rows * rowBytes),
  });
  const body = response.ok ? {} : await response.json();
  await response.body?.cancel().catch(() => {});
  return { status: response.status, code: body.code, error: body.error };
}

limits('have the defaults that the server has without options', () => {
  const defaults = defineCloud().options.map((option) => [option.attributeName(), option.defaultValue]);
  const byKey: Readonly<Record<string, unknown>> = Object.fromEntries(defaults);
  for (const [key, value] of Object.entries(defaultHttpLimits)) assert.is(byKey[key], value, key);
});

limits('for the rows of a request come from --max-http-rows', async () => {
  const server = await startServer('cloud', ['--max-http-rows', '100']);
  assert.is((await ask(server, 100)).status, 200);
  const { status, error = '' } = await ask(server, 101);
  assert.is(status, 400);
  assert.match(error, '100');
});

limits('for the bytes of its tensors come from --max-http-tensor-bytes', async () => {
  const server = await startServer('cloud', ['--max-http-tensor-bytes', String(3 * rowBytes)]);
  assert.is((await ask(server, 3)).status, 200);
  assert.is((await ask(server, 4)).status, 400);
});

limits('for all requests together come from --max-http-requests and --max-http-held-bytes', async () => {
  for (const limit of [
    ['--max-http-requests', '1'],
    ['--max-http-held-bytes', '1'],
  ]) {
    const server = await startServer('cloud', limit);
    const both = await Promise.all([ask(server, 1024), ask(server, 1024)]);
    const statuses = both.map(({ status }) => status).sort();
    assert.equal(statuses, [200, 503], limit.join(' '));
    assert.is(both.find(({ status }) => status === 503)?.code, 'BUSY');
  }
});

limits('for the time of an answer come from --http-budget-ms', async () => {
  const server = await startServer('cloud', ['--http-budget-ms', '1']);
  const { code = '' } = await ask(server, 1024);
  // BUSY where the server foresees it.
  assert.ok(['BUDGET_SPENT', 'BUSY'].includes(code), code);
});

limits.run();
