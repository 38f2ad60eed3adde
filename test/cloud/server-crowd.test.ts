/**
 * Devices and HTTP callers at once on one server, over real sockets and a real inference thread: each gets exactly its own rows,
 * whoever sends how much, is put first, gives up its request or vanishes with answers under way.
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeInfer, parseResult } from '../../shared/protocol/index.ts';
import { until, within } from '../protocol/expect.ts';
import { drawnImage, furthest, runAlone, stack } from '../runtime/real-bundle.ts';
import {
  bundle,
  type Client,
  cleanUp,
  endClients,
  greet,
  served,
  startServer,
  token,
} from './server-source.ts';

const unlimited = { maxConnectionsPerAddress: 100_000, newConnectionsPerSecond: 100_000 };
const levels = { dynamic_batching: { priority_levels: 3, default_priority_level: 2 } };
const { server, wsUrl, metric, pool } = await startServer(
  { ...unlimited, maxBatchRows: 16 },
  { batching: { [served.id]: levels } },
);
const { length: classes } = bundle.manifest.classes;
const images = Array.from({ length: 40 }, (_, index) => drawnImage(index * 13));
const alone = await runAlone(pool, bundle, images);
const streams = alone.map(({ codes }) => bundle.codec(1).encode(codes));
const threshold = bundle.exit(0).threshold ?? 0;
const waitMs = 20_000;

const request = fc.record({
  cut: fc.constantFrom(0, 1),
  priority: fc.integer({ min: 0, max: 4 }),
  picks: fc.array(fc.nat({ max: images.length - 1 }), { minLength: 1, maxLength: 9 }),
});
type Request = typeof request extends fc.Arbitrary<infer R> ? R : never;

const caller = fc.record({
  by: fc.constantFrom('device', 'device', 'http'),
  requests: fc.array(request, { minLength: 1, maxLength: 6 }),
  /** When it goes without waiting for its answers. */
  leavesAfterMs: fc.constantFrom(undefined, undefined, 0, 2, 8, 25),
  comesAfterMs: fc.constantFrom(0, 0, 2, 10),
});
type Caller = typeof caller extends fc.Arbitrary<infer C> ? C : never;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const Crowd = suite('a crowd on sockets');

Crowd.after(cleanUp);

Crowd('each gets its own rows and no others, and nothing is left of who has gone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(caller, { minLength: 1, maxLength: 24 }), async (callers) => {
      await Promise.all(callers.map((one) => (one.by === 'device' ? playDevice(one) : playHttp(one))));
      endClients();
      await within(waitMs, empty());
    }),
    { numRuns: 8 },
  );
});

/** Resolves once nobody is connected and no row waits or runs. */
async function empty(): Promise<void> {
  const gauges = ['connections', 'queued_rows', 'running_rows', 'undecoded_rows'];
  for (;;) {
    const values = await Promise.all(gauges.map((name) => metric(`offramp_cloud_${name}`)));
    if (values.every((value) => value === 0)) return;
    await pause(10);
  }
}

async function playDevice({ requests, leavesAfterMs, comesAfterMs }: Caller): Promise<void> {
  await pause(comesAfterMs);
  const client = await greet(wsUrl);
  for (const [index, { cut, priority, picks }] of requests.entries()) {
    const rows = picks.map((pick) => (cut === 0 ? images : streams)[pick] ?? new Uint8Array(0));
    const level = priority > 0 ? { priority } : {};
    const id = index + 1;
    client.socket.send(encodeInfer({ id, bundleTag: served.tag, cut, ...level, budgetMs: 60_000, rows }));
  }
  if (leavesAfterMs === undefined) await until(() => client.frames.length > requests.length, waitMs);
  else {
    await pause(leavesAfterMs);
    client.socket.terminate();
  }
  areOwn(client, requests);
  if (leavesAfterMs === undefined)
    assert.is(client.frames.length, requests.length + 1, 'one answer for each');
}

/** What has come is the answer to each of these requests, at most once. */
function areOwn({ frames }: Client, requests: readonly Request[]): void {
  const [, ...answers] = frames;
  assert.is(new Set(answers.map(({ id }) => id)).size, answers.length, 'no request has two answers');
  for (const frame of answers) {
    assert.is(frame.type, 'result');
    const asked = requests[frame.id - 1];
    assert.ok(asked !== undefined, `an answer to ${frame.id}, which was not asked`);
    if (asked === undefined) continue;
    const { exits, logits } = parseResult(frame, classes);
    isOwn(asked, exits, logits);
  }
}

/** By HTTP from the image on, or of the segment behind the cut alone; one request after the other. */
async function playHttp({ requests, leavesAfterMs, comesAfterMs }: Caller): Promise<void> {
  await pause(comesAfterMs);
  const leaving = new AbortController();
  if (leavesAfterMs !== undefined) setTimeout(() => leaving.abort(), leavesAfterMs);
  try {
    for (const one of requests) await askHttp(one, leaving.signal);
  } catch (thrown) {
    if (!leaving.signal.aborted) throw thrown;
  }
}

async function askHttp(asked: Request, signal: AbortSignal): Promise<void> {
  const { cut, priority, picks } = asked;
  const [model, spec] = cut === 0 ? [served.id, served.graphs[0]] : [`${served.id}-s1`, served.graphs[1]];
  const tensor = stack(
    picks.map((pick) => (cut === 0 ? images[pick] : alone[pick]?.codes) ?? new Uint8Array(0)),
  );
  const head = JSON.stringify({
    inputs: [
      {
        name: spec?.input.name,
        datatype: 'UINT8',
        shape: [picks.length, ...(spec?.input.shape ?? [])],
        parameters: { binary_data_size: tensor.length },
      },
    ],
    parameters: { priority },
  });
  const response = await fetch(`${server.url}/v2/models/${model}/infer`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'inference-header-content-length': String(Buffer.byteLength(head)),
    },
    body: Buffer.concat([Buffer.from(head), tensor]),
    signal,
  });
  const answer: {
    readonly error?: string;
    readonly outputs?: readonly { readonly name: string; readonly data: readonly number[] }[];
  } = await response.json();
  assert.is(response.status, 200, answer.error);
  const output = (name: string) => answer.outputs?.find((one) => one.name === name)?.data ?? [];
  const logits = cut === 0 ? output('logits') : (answer.outputs?.[0]?.data ?? []);
  isOwn(asked, cut === 0 ? output('exit') : picks.map(() => 1), logits);
}

function isOwn({ picks, cut }: Request, exits: readonly number[], logits: ArrayLike<number>): void {
  assert.is(logits.length, picks.length * classes);
  for (const [row, pick] of picks.entries()) {
    const expected = alone[pick];
    if (expected === undefined) throw new Error(`no image ${pick}`);
    const exit = cut === 0 && expected.entropy < threshold ? 0 : 1;
    assert.is(exits[row], exit, `row ${row}`);
    const got = Array.from(logits).slice(row * classes, (row + 1) * classes);
    const off = furthest(got, expected.logits[exit] ?? []);
    assert.ok(off < 1e-4, `row ${row} is another's: off by ${off}`);
  }
}

Crowd.run();
