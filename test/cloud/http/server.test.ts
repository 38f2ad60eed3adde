/** The inference protocol as a part of the server: who may, what a drain waits for, what others see of it. */
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../../shared/errors.ts';
import { until, within } from '../../protocol/expect.ts';
import { drawnImage } from '../../runtime/real-bundle.ts';
import { HeldRunner, sureLogits } from '../engine-source.ts';
import { cleanUp, served, startServer, token } from '../server-source.ts';
import { post } from './api-source.ts';

const headers = { authorization: `Bearer ${token}`, 'inference-header-content-length': '0' };
const image = drawnImage(0);

const Server = suite('the inference protocol of the server');
Server.after.each(cleanUp);

Server('asks for a token, and refuses a page of a stranger', async () => {
  const { server } = await startServer();
  const place = `${server.url}/v2/models/${served.id}/infer`;
  assert.is((await post(place, image, { 'inference-header-content-length': '0' })).status, 401);
  assert.is(
    (await post(place, image, { ...headers, authorization: 'Bearer wrong-token-of-16' })).status,
    401,
  );
  assert.is((await post(place, image, headers)).status, 200);
  const stranger = await post(place, image, { ...headers, origin: 'https://stranger.example' });
  assert.ok([401, 403].includes(stranger.status), String(stranger.status));
});

Server('without tokens serves this machine, but no page of a stranger', async () => {
  const { server } = await startServer({}, { tokens: [] });
  const place = `${server.url}/v2/models/${served.id}/infer`;
  const bare = { 'inference-header-content-length': '0' };
  assert.is((await post(place, image, bare)).status, 200);
  const stranger = await post(place, image, { ...bare, origin: 'https://stranger.example' });
  assert.ok([401, 403].includes(stranger.status), String(stranger.status));
});

Server('shares batches and metrics with the devices', async () => {
  const { server, metric } = await startServer();
  await post(`${server.url}/v2/models/${served.id}/infer`, image, headers);
  assert.is(await metric(`offramp_cloud_batch_rows_sum{bundle="${served.id}",cut="0"}`), 1);
  assert.is(await metric(`offramp_cloud_request_seconds_count{bundle="${served.id}",by="http"}`), 1);
  await post(`${server.url}/v2/models/nope/infer`, image, headers);
  assert.is(await metric('offramp_cloud_refusals_total{code="NOT_FOUND"}'), 1);
});

Server('answers what is in flight before it stops', async () => {
  const runner = new HeldRunner();
  const { server } = await startServer({ drainMs: 10_000 }, { runner });
  const waiting = post(`${server.url}/v2/models/${served.id}/infer`, image, headers);
  await until(() => runner.runs.length === 1);
  const drained = server.drain();
  assert.is((await fetch(`${server.url}/v2/health/ready`)).status, 503);
  assert.is((await fetch(`${server.url}/v2/health/live`)).status, 200);
  runner.runs[0]?.finish(sureLogits(served, 1));
  assert.is((await within(5000, waiting)).status, 200);
  assert.is(await within(5000, drained), 0);
});

Server('gives up what takes longer than a stop may, and says so to the caller and the operator', async () => {
  const runner = new HeldRunner();
  const { server } = await startServer({ drainMs: 300 }, { runner });
  const waiting = post(`${server.url}/v2/models/${served.id}/infer`, image, headers);
  await until(() => runner.runs.length === 1);
  assert.is(await within(5000, server.drain()), 1);
  const { status, json } = await within(5000, waiting);
  assert.equal([status, json().code], [503, 'DRAINING']);
});

Server('lets a caller wait for its whole budget, longer than sockets may be silent otherwise', async () => {
  const runner = new HeldRunner();
  const { server } = await startServer({ idleTimeoutMs: 300 }, { runner });
  const waiting = post(`${server.url}/v2/models/${served.id}/infer`, image, headers);
  await until(() => runner.runs.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  runner.runs[0]?.finish(sureLogits(served, 1));
  assert.is((await within(5000, waiting)).status, 200);
});

Server('says nothing in its log of callers that leave', async () => {
  const runner = new HeldRunner();
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
  const { server, metric } = await startServer({}, { runner, logger });
  const before = lines.length;
  const caller = new AbortController();
  const leaving = fetch(`${server.url}/v2/models/${served.id}/infer`, {
    ...{ method: 'POST', headers, body: image, signal: caller.signal },
  }).catch((thrown: unknown) => thrown);
  await until(() => runner.runs.length === 1);
  caller.abort();
  await leaving;
  for (let tries = 0; (await metric('offramp_cloud_refusals_total{code="CONNECTION_LOST"}')) !== 1; tries++) {
    assert.ok(tries < 100, 'the caller is not missed');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(lines.slice(before), []);
});

Server('is not ready without a thread to compute with, or while its runner has a problem', async () => {
  const runner = new HeldRunner();
  const { server } = await startServer({}, { runner });
  const ready = async () => (await fetch(`${server.url}/v2/health/ready`)).status;
  assert.is(await ready(), 200);
  Object.assign(runner, { problem: new OfframpError('CLOUD_UNREACHABLE', 'gone') });
  assert.is(await ready(), 503);
  Object.assign(runner, { problem: undefined });
  runner.parallel = 0;
  assert.is(await ready(), 503);
});

Server.after(cleanUp);
Server.run();
