import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeHello, parseGoaway, parseResult } from '../../shared/protocol/index.ts';
import { within } from '../protocol/expect.ts';
import { cleanUp, connect, greet, inferFrame, served, startServer, token } from './server-source.ts';

const Drain = suite('drain');
Drain.after.each(cleanUp);

Drain('tells devices, turns readiness to 503, answers what is in flight, then ends', async () => {
  const running = await startServer({ drainMs: 5000 });
  const client = await greet(running.wsUrl);
  const idle = await connect(running.wsUrl);
  for (let id = 1; id <= 10; id++) client.socket.send(inferFrame(id, 20));
  // The first answer shows that all ten have arrived: they came in one burst before it.
  await client.frame(1);
  const drained = running.server.drain();
  const readyz = await fetch(`${running.server.url}/readyz`);
  assert.is(readyz.status, 503);
  assert.is((await readyz.json()).ready, false);
  assert.is((await fetch(`${running.server.url}/livez`)).status, 200);
  await within(2000, idle.closed);
  for (let index = 1; index <= 11; index++) await client.frame(index);
  const goaways = client.frames.filter(({ type }) => type === 'goaway');
  const results = client.frames.filter(({ type }) => type === 'result');
  assert.equal(
    goaways.map(({ header }) => parseGoaway(header).reason),
    ['draining'],
  );
  // Batches run side by side and end in any order.
  assert.equal(
    results.map(({ id }) => id).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  for (const frame of results) assert.is(parseResult(frame, served.classes).exits.length, 20);
  client.socket.close();
  assert.is(await within(2000, drained), 0);
});

Drain('takes new work of devices that are on their way to another server', async () => {
  const running = await startServer({ drainMs: 5000 });
  const client = await greet(running.wsUrl);
  const drained = running.server.drain();
  assert.is((await client.frame(1)).type, 'goaway');
  for (const [id, pauseMs] of [
    [1, 0],
    [2, 500],
  ] as const) {
    await sleep(pauseMs);
    client.socket.send(inferFrame(id, 1));
    const answer = await client.frame(id + 1);
    assert.equal([answer.type, answer.id], ['result', id]);
  }
  client.socket.close();
  assert.is(await within(2000, drained), 0);
});

Drain('takes no new connection while it lasts', async () => {
  const running = await startServer({ drainMs: 2000 });
  const client = await greet(running.wsUrl);
  const drained = running.server.drain();
  const refused = await connect(running.wsUrl).then(
    () => false,
    () => true,
  );
  assert.ok(refused);
  assert.is(await running.metric('offramp_cloud_refusals_total{code="DRAINING"}'), 1);
  client.socket.close();
  await within(1000, drained);
});

Drain('welcomes nobody who says hello while it lasts: the connection just closes', async () => {
  const running = await startServer({ drainMs: 2000 });
  const client = await greet(running.wsUrl);
  const late = await connect(running.wsUrl);
  const drained = running.server.drain();
  const bundles = [{ id: served.id, digest: served.digest }];
  late.socket.send(encodeHello({ agent: 'late', token, bundles }));
  assert.is(await within(2000, late.closed), 1000);
  assert.is(late.frames.length, 0);
  client.socket.close();
  await within(2000, drained);
});

Drain('does not wait to its end for a device that has nothing in flight', async () => {
  const running = await startServer({ drainMs: 3000 });
  const client = await greet(running.wsUrl);
  const startedAt = performance.now();
  const lost = await within(5000, running.server.drain());
  const tookMs = performance.now() - startedAt;
  const code = await within(1000, client.closed);
  assert.equal([lost, code], [0, 1001]);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
});

Drain.run();
