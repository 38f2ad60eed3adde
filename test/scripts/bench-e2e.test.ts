/** `offramp bench e2e`: a scenario with real processes, and the parts that hold it to one answer for each image. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { benchE2e, type E2eBenchOptions } from '../../scripts/bench/e2e/bench.ts';
import { chooseCells } from '../../scripts/bench/e2e/choose-cells.ts';
import { compareRuns } from '../../scripts/bench/e2e/compare.ts';
import { metricSum } from '../../scripts/bench/e2e/daemon-client.ts';
import { packetLinkLacking } from '../../scripts/bench/e2e/packet-link.ts';
import { policyArguments } from '../../scripts/bench/e2e/policy-arguments.ts';
import { Replies } from '../../scripts/bench/e2e/replies.ts';
import { StageSamples } from '../../scripts/bench/e2e/stage-samples.ts';
import { startStreamLink } from '../../scripts/bench/e2e/stream-link.ts';
import { parseLink, readTraceFile } from '../../scripts/links/index.ts';
import { spawnServer } from '../../scripts/processes.ts';
import { findBundle } from '../../scripts/project.ts';
import { parseScenario, prepareScenario, runCell, Tally } from '../../scripts/simulate/index.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { dataFolder, skip } from '../support/data.ts';

const bundleId = 'b-lenet-mnist';
const bundle = await openBundle(bundleFolder(findBundle(bundleId)));
const folder = mkdtempSync(join(tmpdir(), 'offramp-bench-e2e-'));

function write(name: string, value: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(value));
  return file;
}

/** Made up: what is asked here does not depend on times. */
const profile = {
  schemaVersion: 1,
  ...{ bundle: bundleId, digest: bundle.digest },
  device: { segmentMs: [[0.2], [0.3]], exitMs: [0.01], encodeMs: [[0.02]], prepareMs: [1], callMs: [1] },
  cloud: {
    segments: [0, 1].map(() => ({ fixedMs: 0.2, perRowMs: 0.1, spread: [1] })),
    ...{ decodeMs: [1], aroundMs: [1] },
  },
};

const scenario = {
  ...{ name: 'short', bundle: bundleId, profile: write('profile.json', profile) },
  ...{ devices: [2], arrivals: { kind: 'poisson', imagesPerSecond: 4 } },
  ...{ seconds: 60, budgetMs: 10_000, deviceSlowdown: 2 },
  links: [{ name: 'near', link: 'rtt=20,up=20' }],
  policies: [
    { name: 'device', cut: 'all', exits: 'none' },
    { name: 'split/all', cut: 1, exits: 'none' },
    { name: 'ours', objective: 'latency' },
    { name: 'best', best: 'static' },
  ],
};

function benchOptions(changes: Partial<E2eBenchOptions> = {}): E2eBenchOptions {
  return {
    scenario: write('scenario.json', scenario),
    ...{ dataFolder: undefined, only: [], seconds: 4, jobs: 1, emulator: 'stream', comparing: 'nothing' },
    congestion: undefined,
    onProgress() {},
    ...changes,
  };
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (thrown) {
    return OfframpError.from(thrown).code;
  }
  return 'none';
}

const Live = suite('bench e2e');

Live('answers what the simulator sends, every image once, by the routes of the policy', async () => {
  const { results, leftOut } = await benchE2e(benchOptions({ only: ['near/device', '*/split/*', '*/best'] }));
  assert.equal(leftOut, ['best']);
  const short = { ...scenario, seconds: 4 };
  const file = write('short.json', short);
  const prepared = await prepareScenario(parseScenario(JSON.stringify(short), file), {
    ...{ file, dataFolder: undefined },
  });
  const [device, split] = results;
  assert.equal(
    results.map(({ policy, link, devices }) => [policy, link, devices]),
    [
      ['device', 'near', 2],
      ['split/all', 'near', 2],
    ],
  );
  assert.is(device?.routes.edgeOnly, 1);
  assert.is(split?.routes.features, 1);
  assert.is(device?.bytesPerImage, 0);
  assert.ok((split?.bytesPerImage ?? 0) > 0);
  assert.ok((split?.accuracy.share ?? 0) > 0.8, 'the pictures are what their labels say');
  for (const [policy, { sendLateMs, stagesMs, ...live }] of results.entries()) {
    const simulated = await runCell(prepared, { bundle: 0, devices: 2, link: 0, policy });
    assert.is(live.images, simulated.images);
    assert.is(live.refused, 0);
    assert.equal(Object.keys(live).sort(), Object.keys(simulated).sort());
    assert.equal(live.plans, { [live.policy]: 1 });
    const stages = Object.values(stagesMs).reduce((sum, ms) => sum + ms, 0);
    assert.ok(Math.abs(stages - live.latencyMs.mean.ms) < 0.01, `${stages} ms of ${live.latencyMs.mean.ms}`);
    assert.ok(sendLateMs.p50 >= 0 && sendLateMs.p50 <= sendLateMs.max);
  }
});

Live('reaches the server over packets too, each device from a namespace of its own', async () => {
  const lacking = packetLinkLacking();
  if (lacking !== undefined) return skip(lacking);
  const only = ['near/split*'];
  const packets = { emulator: 'packet' as const, congestion: 'reno' };
  const { results, congestion } = await benchE2e(benchOptions({ only, seconds: 2, ...packets }));
  const [run] = results;
  assert.is(congestion, 'reno');
  assert.is(run?.routes.features, 1);
  assert.ok((run?.images ?? 0) > 0);
  assert.ok((run?.latencyMs.p50.ms ?? 0) >= 20, 'there and back is a round trip at least');
});

/** Looser than `bench e2e --compare` is on a machine that has nothing else to do. */
const looseShare = 0.35;

Live('is what the simulator says that it would be', async () => {
  const data = dataFolder();
  if (data === undefined) return skip('bench e2e beside the simulator: OFFRAMP_DATA is not set');
  const mine = write('mine.json', {
    ...scenario,
    ...{ devices: [1], links: [{ name: 'far', link: 'rtt=80,up=10' }], seconds: 5, warmUpSeconds: 1 },
    arrivals: { kind: 'poisson', imagesPerSecond: 8 },
    policies: [
      { name: 'the picture', cut: 0 },
      { name: 'split', cut: 1 },
    ],
  });
  const options = {
    scenario: mine,
    dataFolder: data,
    seconds: undefined,
    jobs: 2,
    comparing: 'with-simulation' as const,
  };
  const { comparisons = [] } = await benchE2e(benchOptions(options));
  assert.is(comparisons.length, 2);
  for (const { policy, p50Error, routePoints } of comparisons) {
    assert.ok(Math.abs(p50Error) < looseShare, `${policy}: p50 off by ${p50Error}`);
    for (const points of Object.values(routePoints)) assert.ok(Math.abs(points) <= 2, `${policy}: ${points}`);
  }
});

Live('refuses what cannot be run, by code', async () => {
  const with9 = write('nine.json', { ...scenario, devices: [9] });
  const warm = write('warm.json', { ...scenario, warmUpSeconds: 5 });
  const slow = write('slow.json', { ...scenario, deviceSlowdown: 0.5 });
  const part = write('part.json', { ...scenario, budgetMs: 10.5 });
  const several = write('several.json', { ...scenario, bundle: [bundleId, 'b-alexnet-cifar10'] });
  const tries: readonly [Partial<E2eBenchOptions>, string][] = [
    [{ scenario: join(folder, 'none.json') }, 'CONFIG_INVALID'],
    [{ scenario: with9 }, 'CONFIG_INVALID'],
    [{ scenario: warm }, 'CONFIG_INVALID'],
    [{ scenario: slow }, 'CONFIG_INVALID'],
    [{ scenario: part }, 'CONFIG_INVALID'],
    [{ scenario: several }, 'CONFIG_INVALID'],
    [{ congestion: 'reno' }, 'CONFIG_INVALID'],
    [{ only: ['far/device'] }, 'CONFIG_INVALID'],
    [{ only: ['near/best'] }, 'CONFIG_INVALID'],
    // The drawn digits are not what the simulator replays.
    [{ comparing: 'with-simulation' }, 'DATA_MISSING'],
  ];
  for (const [changes, code] of tries) {
    assert.is(await codeOf(() => benchE2e(benchOptions(changes))), code, JSON.stringify(changes));
  }
});

Live.run();

const Parts = suite('parts of bench e2e');

Parts('cells are chosen by patterns, in the order of the scenario', () => {
  const parsed = parseScenario(JSON.stringify(scenario), 'scenario.json');
  const links = [
    { name: 'near', link: parseLink('lte', readTraceFile) },
    { name: 'up=a.up,rtt=4', link: parseLink('3g', readTraceFile) },
  ];
  const chosen = (...only: string[]) =>
    chooseCells({ scenario: parsed, links }, only).cells.map(({ cell, policy }) => [cell.link, policy.name]);
  assert.equal(chosen('up=a*/ours', 'near/split/all'), [
    [0, 'split/all'],
    [1, 'ours'],
  ]);
  assert.is(chosen().length, 6);
  assert.throws(() => chosen('near/.*'), /near\/\.\* fits no cell.*near\/device/);
});

Parts('a policy is told to the daemon as the simulator follows it', () => {
  const args = (policy: object) =>
    policyArguments(bundle, { name: 'one', ...policy } as Parameters<typeof policyArguments>[1]).join(' ');
  assert.is(args({ cut: 'all' }), '--cut 2');
  assert.is(args({ cut: 'all', exits: 'none' }), '--cut 2 --threshold 0');
  assert.is(args({ cut: 0 }), '--cut 0');
  assert.is(args({ cut: 0, exits: 'none' }), '--cut 0 --threshold 0');
  assert.is(args({ cut: 1, thresholds: [0.25, 0.5] }), '--cut 1 --threshold 0.25');
  assert.is(args({ objective: 'bytes', accuracyFloor: 0.9 }), '--objective bytes --accuracy-floor 0.9');
  assert.throws(() => args({ cut: 3 }), /cut: got 3/);
});

function replies(): { readonly heard: Replies; readonly tally: Tally } {
  const tally = new Tally({ fromMs: 0, untilMs: 1000, budgetMs: 100 });
  const stages = new StageSamples(0);
  return { tally, heard: new Replies({ tally, stages, startMs: 0, plan: 'fixed', truth: () => 7 }) };
}

const answer = {
  ...{ label: 7, route: 'exit', degraded: true, reason: 'BUDGET_SPENT', bytesSent: 40, latencyMs: 120 },
  stagesMs: { prepare: 1, device: 119, exit: 0, encode: 0, network: 0, cloudQueue: 0, cloudRun: 0 },
};

function reply(body: object, status = 200) {
  return { status, body: JSON.stringify(body), endedAtMs: 150 };
}

Parts('an answer counts from the moment at which its image was to be sent', () => {
  const { heard, tally } = replies();
  heard.add({ atMs: 20, image: 3 }, reply({ answers: [answer] }));
  heard.add({ atMs: 30, image: 4 }, reply({ error: { code: 'BUSY', message: 'full' } }, 503));
  heard.check(1);
  const figures = tally.figures();
  assert.is(figures.latencyMs.max, 130);
  assert.equal([figures.images, figures.refused, figures.lateShare, heard.images], [1, 1, 1, 2]);
  assert.equal(figures.degraded, { share: 1, accuracy: 1, reasons: { BUDGET_SPENT: 1 } });
});

Parts('an image without an answer, or with two, is no result', () => {
  const bodies = [
    reply({ answers: [] }),
    reply({ answers: [answer, answer] }),
    reply({ error: { code: 'IMAGE_INVALID', message: 'no picture' } }, 400),
    reply({ answers: [{ error: { code: 'INTERNAL', message: 'broken' } }] }),
  ];
  for (const body of bodies) {
    const { heard } = replies();
    heard.add({ atMs: 0, image: 0 }, body);
    assert.throws(() => heard.check(0), /INTERNAL|Expected one answer for each image/);
  }
  const { heard } = replies();
  heard.add({ atMs: 0, image: 0 }, reply({ answers: [answer] }));
  assert.throws(() => heard.check(2), /made 2 answers, expected the 1/);
});

Parts('a simulation is close when medians, tails and routes are', () => {
  const run = (ms: number, exit: number) => {
    const { tally } = replies();
    for (let image = 0; image < 100; image++) {
      const route = image < exit ? ('exit' as const) : ('features' as const);
      const rest = { isRight: true, degraded: false, reason: undefined, bytesSent: 0, plan: 'fixed' };
      tally.add({ arrivedAtMs: image, latencyMs: ms, route, ...rest });
    }
    return { ...tally.figures(), bundle: bundleId, policy: 'one', link: 'near', devices: 1 };
  };
  const real = run(100, 50);
  assert.is(compareRuns(real, run(104, 51)).isClose, true);
  const far = compareRuns(real, run(94, 50));
  assert.is(far.isClose, false);
  assert.ok(Math.abs(far.p95Error + 0.06) < 1e-9);
  const other = compareRuns(real, run(100, 53));
  assert.is(other.isClose, false);
  assert.ok(Math.abs(other.routePoints.features + 3) < 1e-9);
});

Parts('a metric is summed over its labels, and over no other metric', () => {
  const text = '# HELP a_total x\na_total{route="exit"} 3\na_total{route="b c"} 4.5\na_total_more 9\n';
  assert.is(metricSum(text, 'a_total'), 7.5);
});

Parts.run();

const Link = suite("a live device's link");

async function echoServer(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

function echo(client: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('data', () => resolve());
    client.once('error', reject);
    client.write('x');
  });
}

Link('begins its time anew when it is told', async () => {
  const { server, port } = await echoServer();
  const spec = 'rtt=2,outage=0+1.5';
  const link = await startStreamLink({
    ...{ serverUrl: `http://127.0.0.1:${port}`, spec, seed: 1, startAtMs: 0 },
    link: parseLink(spec, readTraceFile),
  });
  const client = connect(Number(new URL(link.cloudUrl).port), '127.0.0.1');
  // A link that is stopped resets what goes through it.
  client.on('error', () => {});
  try {
    await echo(client);
    await link.restart();
    const beganMs = performance.now();
    await echo(client);
    assert.ok(performance.now() - beganMs > 1000, 'its outage came again');
  } finally {
    client.destroy();
    await link.stop();
    server.close();
  }
});

Link('a process starts behind what has to be entered first', async () => {
  const args = ['emulate', '--listen', '127.0.0.1:0', '--link', 'rtt=2'];
  const inside = await spawnServer(args, { stderr: 'inherit', enter: ['env'] });
  assert.is(await inside.stop(), 0);
  const nowhere = spawnServer(args, { stderr: 'inherit', enter: ['no-such-command-of-offramp'] });
  assert.is(await codeOf(() => nowhere), 'INTERNAL');
});

Link.after(() => rmSync(folder, { recursive: true, force: true }));

Link.run();
