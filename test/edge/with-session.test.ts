import { suite } from 'uvu';
import * as assert from 'uvu/assert';
// The one test that joins both rooms without a network between them.
import { Clients, Session, type SessionLimits, serveBundle, type Work } from '../../cloud/index.ts';
import { Uplink } from '../../edge/agent/index.ts';
import { shelfOf } from '../cloud/engine-source.ts';
import { join, MemoryTransport } from '../protocol/memory-transport.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { watch } from './link-source.ts';

const served = serveBundle(await openRealBundle());
const { id, digest, tag, classes } = served;
const limits: SessionLimits = {
  credits: 2,
  maxFrameBytes: 100_000,
  maxImageBytes: 50_000,
  heartbeatMs: 5000,
  helloTimeoutMs: 3000,
  maxUnsentBytes: 100_000,
  requestsPerSecond: 1000,
};

/** Device and server, each with its real protocol code; work stops at the server until the test answers it. */
function joined(): { uplink: Uplink; clock: VirtualClock; work: Work[]; refusals: string[] } {
  const clock = new VirtualClock();
  const work: Work[] = [];
  const refusals: string[] = [];
  const open = { tokens: [], openScopes: ['infer'] as const, epochMs: () => 0, onRows: () => {} };
  const clients = new Clients({ ...open, clock });
  const uplink = new Uplink({
    dial: (events) => {
      const [near, far] = [new MemoryTransport(), new MemoryTransport()];
      const session = new Session(
        {
          serverName: 'offramp/test',
          connection: 'connection 1',
          shelf: shelfOf(served),
          limits,
          clock,
          load: () => ({ queuedRows: 0, runningRows: 0 }),
          runsOf: () => [],
          authorise: (token) => clients.connect({ token }),
          submit: (one) => {
            work.push(one);
            return () => {};
          },
          onRefused: (code) => refusals.push(code),
          onReady: () => {},
          onAnswered: () => {},
        },
        far,
      );
      join(near, events, far, session);
      queueMicrotask(() => events.onOpen());
      return near;
    },
    hello: { agent: 'edge/test', bundles: [{ id, digest }] },
    clock,
    random: () => 1,
  });
  uplink.start();
  return { uplink, clock, work, refusals };
}

const request = (budgetMs: number) => ({
  bundleTag: tag,
  cut: 1,
  budgetMs,
  rows: [Uint8Array.of(1)],
  classes,
});

function answer(one: Work | undefined): void {
  one?.onResult({
    exits: [1],
    logits: new Float32Array(classes),
    queueMicros: 1,
    runMicros: 1,
    batchRows: 1,
    queuedRows: 0,
  });
}

const Joined = suite('device and server together');

Joined('a request goes there and its answer back', async () => {
  const { uplink, work } = joined();
  await settled();
  assert.ok(uplink.connected);
  const wait = watch(uplink.infer(request(100)));
  await settled();
  assert.equal([work[0]?.cut, work[0]?.budgetMs], [1, 100]);
  answer(work[0]);
  await settled();
  assert.equal(wait.result?.exits, [1]);
  uplink.close();
});

Joined('a device that gave up waiting is not refused for want of credits', async () => {
  const { uplink, clock, work, refusals } = joined();
  await settled();
  const given = [watch(uplink.infer(request(20))), watch(uplink.infer(request(20)))];
  await settled();
  clock.advance(20);
  await settled();
  assert.ok(given.every(({ code }) => code === 'BUDGET_SPENT'));
  const next = watch(uplink.infer(request(500)));
  await settled();
  for (const one of work.splice(0)) answer(one);
  await settled();
  for (const one of work.splice(0)) answer(one);
  await settled();
  assert.equal([refusals, next.code], [[], undefined]);
  assert.equal(next.result?.exits, [1]);
  uplink.close();
});

Joined.run();
