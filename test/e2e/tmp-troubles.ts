/**
 * What callers see while their daemon's only server is in trouble: whatever it is, an answer in time, degraded with a reason that
 * docs/operating.md names, and the cloud's again once it is over. Its output is one table with a row for each trouble.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Direction, LinkEmulator } from '../../scripts/links/index.ts';
import { firstCells, readPage } from '../docs/page.ts';
import { skip } from '../support/data.ts';
import { budgetMs, live, type Report, type Scene } from './callers.ts';
import { offloadingBundle, samples, temporaryFolder } from './images.ts';
import { freePort } from './proxy.ts';
import { RawClient } from './raw-client.ts';
import {
  cleanUp,
  committedBundle,
  connected,
  metric,
  projectFolder,
  type Server,
  startServer,
  waitUntil,
} from './support.ts';

const heading = 'When the only server is in trouble';
const page =
  readPage('operating.md')
    .split(/^## /m)
    .find((section) => section.startsWith(`${heading}\n`)) ?? '';
const edgeArgs = ['--budget-ms', String(budgetMs)];
const reports = new Map<string, Report>();

/** What a scene leaves behind beside the processes of `support.ts`. */
const endings: (() => unknown)[] = [];

/** On the port of the one before, where there was one. */
function startCloud(bundle: string, port = 0): Promise<Server> {
  return startServer('cloud', ['--bundle', bundle, '--port', String(port)]);
}

async function startEdge(bundle: string, url: string): Promise<Server> {
  const edge = await startServer('edge', ['--bundle', bundle, '--cloud', url, ...edgeArgs]);
  await waitUntil(() => connected(edge), 'the edge to connect');
  return edge;
}

async function killed(): Promise<Scene> {
  const bundle = offloadingBundle();
  const cloud = await startCloud(bundle);
  return {
    edge: await startEdge(bundle, cloud.wsUrl),
    begin: async () => void (await cloud.stop('SIGKILL')),
    end: async () => void (await startCloud(bundle, cloud.port)),
  };
}

async function frozen(): Promise<Scene> {
  const bundle = offloadingBundle();
  const cloud = await startCloud(bundle);
  return {
    edge: await startEdge(bundle, cloud.wsUrl),
    begin: async () => void cloud.child.kill('SIGSTOP'),
    end: async () => void cloud.child.kill('SIGCONT'),
  };
}

/** Of the link's time, beginning with it; one image takes longer than the budget then. */
const slowMs = 2000;
const [slowBitsPerSecond, fastBitsPerSecond] = [4000, 20_000_000];

/** Its uplink is slow at first and fast from then on; anew whenever its time begins anew. */
async function slow(): Promise<Scene> {
  const bundle = offloadingBundle();
  const steps = [
    { fromMs: 0, bitsPerSecond: slowBitsPerSecond },
    { fromMs: slowMs, bitsPerSecond: fastBitsPerSecond },
  ];
  const common = { delayMs: 10, jitterMs: 0, lossShare: 0, queueBytes: 65_536 };
  const up: Direction = { ...common, rate: { kind: 'steps', steps, lengthMs: 3_600_000 } };
  const down: Direction = { ...common, rate: { kind: 'constant', bitsPerSecond: fastBitsPerSecond } };
  const cloud = await startCloud(bundle);
  const emulator = await LinkEmulator.start({
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: '127.0.0.1', port: cloud.port },
    link: { name: 'an uplink that gets slow', source: 'made up', up, down, outages: [] },
    random: Math.random,
  });
  endings.push(() => emulator.close());
  const isFast = () => waitUntil(() => emulator.now() > slowMs, 'the uplink to be fast');
  await isFast();
  return {
    edge: await startEdge(bundle, emulator.url.replace('tcp:', 'ws:')),
    begin: async () => emulator.restart(),
    end: isFast,
  };
}

/** Requests of others: far more than the server has places for. */
const [others, places] = [32, 4];
/** How long one of them waits after it was refused. */
const againMs = 5;

async function full(): Promise<Scene> {
  const bundle = offloadingBundle();
  const limits = ['--max-queued-rows', String(places), '--max-batch-rows', String(places)];
  const cloud = await startServer('cloud', ['--bundle', bundle, ...limits]);
  const flood = await RawClient.greet(cloud.wsUrl, bundle);
  const pixels = samples(1).image(0);
  const askAgain = async () => {
    for (let frame = await flood.next(); frame !== undefined; frame = await flood.next()) {
      const inMs = frame.type === 'error' ? againMs : 0;
      setTimeout(() => flood.send(flood.infer(0, [pixels], 1000)), inMs);
    }
  };
  return {
    edge: await startEdge(bundle, cloud.wsUrl),
    begin: async () => {
      for (let sent = 0; sent < others; sent++) flood.send(flood.infer(0, [pixels], 1000));
      void askAgain();
    },
    end: () => flood.close(),
  };
}

async function replaced(): Promise<Scene> {
  const bundle = offloadingBundle();
  const cloud = await startCloud(bundle);
  let now = cloud;
  const replaceBy = async (other: string) => {
    await now.stop('SIGKILL');
    now = await startCloud(other, cloud.port);
  };
  return {
    edge: await startEdge(bundle, cloud.wsUrl),
    begin: () => replaceBy(committedBundle),
    end: () => replaceBy(bundle),
  };
}

/** A name that no resolver knows (RFC 6761 section 6.4). */
async function nameless(): Promise<Scene> {
  const cloud = 'ws://nowhere.invalid:8470';
  return { edge: await startServer('edge', ['--bundle', offloadingBundle(), '--cloud', cloud, ...edgeArgs]) };
}

/** Runs a command in a mount namespace of its own, where a file of ours stands for the system's table of names. */
const namespace = ['--map-root-user', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"'];

/** A daemon that looks names up in a table of its own. */
async function startEdgeWithNames(hosts: string, args: readonly string[]): Promise<Scene['edge']> {
  const port = String(await freePort());
  const offramp = [process.execPath, join(projectFolder, 'scripts', 'offramp.mjs'), 'edge', '--port', port];
  const child = spawn('unshare', [...namespace, hosts, ...offramp, ...args], {
    cwd: projectFolder,
    stdio: 'inherit',
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  endings.push(() => {
    child.kill('SIGKILL');
    return ended;
  });
  return { url: `http://127.0.0.1:${port}` };
}

/** Its name is taken out of the table of names, and the server, the same machine for whoever has its address, starts anew. */
async function nameGone(): Promise<Scene> {
  const bundle = offloadingBundle();
  const hosts = join(temporaryFolder(), 'hosts');
  const known = () => writeFileSync(hosts, '127.0.0.1 localhost offramp-cloud.test\n');
  known();
  const cloud = await startCloud(bundle);
  const url = `ws://offramp-cloud.test:${cloud.port}`;
  const edge = await startEdgeWithNames(hosts, ['--bundle', bundle, '--cloud', url, ...edgeArgs]);
  const isConnected = () =>
    metric(edge.url, 'offramp_edge_cloud_connected').then(
      (value) => value === 1,
      () => false,
    );
  await waitUntil(isConnected, 'the edge to connect', { everyMs: 50 });
  return {
    edge,
    begin: async () => {
      writeFileSync(hosts, '127.0.0.1 localhost\n');
      await cloud.stop('SIGKILL');
      await startCloud(bundle, cloud.port);
    },
    end: async () => known(),
  };
}

function canHaveNames(): boolean {
  const file = join(temporaryFolder(), 'hosts');
  writeFileSync(file, '127.0.0.1 localhost\n');
  return spawnSync('unshare', [...namespace, file, 'true']).status === 0;
}

const scenes: Readonly<Record<string, () => Promise<Scene>>> = {






  'its name gone, and there again': nameGone,
};

/** The reasons that the page's row on a trouble names. */
function documentedReasons(trouble: string): string[] {
  const row = page.split('\n').find((line) => line.startsWith(`| ${trouble} |`));
  return [...(row?.split('|')[3] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, reason = '']) => reason);
}

const troubles = suite('a server in trouble');

troubles.after.each(async () => {
  for (const end of endings.splice(0)) await end();
  await cleanUp();
});

for (const [trouble, setScene] of Object.entries(scenes)) {
  troubles(`${trouble}: everybody is answered in time`, async () => {
    if (setScene === nameGone && !canHaveNames())
      return skip('no mount namespace here, for a table of names');
    const report = await live(await setScene());
    reports.set(trouble, report);
    const undocumented = Object.keys(report.reasons).filter(
      (reason) => !documentedReasons(trouble).includes(reason),
    );
    assert.equal(undocumented, [], `the reasons in docs/operating.md, ${JSON.stringify(report.reasons)}`);
  });
}

troubles('all of them, and no others, stand in docs/operating.md', () => {
  assert.equal(firstCells(page, 'trouble'), Object.keys(scenes));
});

troubles.after(() => {
  const rows = [...reports].map(([trouble, { phases, reasons, backAfter = 'never' }]) => {
    const counts = Object.entries(reasons).map(([reason, count]) => `\`${reason}\` ${count}`);
    return `| ${trouble} | ${phases} | ${counts.join(', ')} | ${backAfter} |`;
  });
  const head = ['| trouble | callers see | reasons | back after |', '|---|---|---|---|'];
  process.stdout.write(`\n${[...head, ...rows].join('\n')}\n`);
});

troubles.run();
