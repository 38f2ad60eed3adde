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
import { encodeHello } from '../../shared/protocol/index.ts';
import { firstCells, readPage } from '../docs/page.ts';
import { skip } from '../support/data.ts';
import { budgetMs, live, type Report, type Scene } from './callers.ts';
import { offloadingBundle, samples, temporaryFolder } from './images.ts';
import { freePort } from './proxy.ts';
import { claimOf, RawClient } from './raw-client.ts';
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
const token = 'a-token-of-sufficient-length';
/** Requests of others at once, far more than the server has places for; it has enough for those that a trouble has held up. */
const [others, places, batchRows] = [60, 32, 4];
const floodBudgetMs = 1000;
/** How long one of them waits after it was refused. */
const againMs = 5;
const reports = new Map<string, Report>();

/** The part of a daemon's status that says why the cloud does not answer. */
interface StatusJson {
  readonly cloud: { readonly problem?: { readonly code: string } };
}

/** What a scene leaves behind beside the processes of `support.ts`. */
const endings: (() => unknown)[] = [];

/** The server that gets into trouble, and a daemon that has no other. */
class Stage {
  readonly bundle = offloadingBundle();
  readonly tokenFile = join(temporaryFolder(), 'token');
  #cloud: Server | undefined;
  #edge: Server | undefined;

  static async start(): Promise<Stage> {
    const stage = new Stage();
    // Without one a server lets nobody in by a name.
    writeFileSync(stage.tokenFile, `${token}\n`);
    await stage.#startCloud(stage.bundle, 0);
    stage.#edge = await stage.startEdge(stage.cloud.wsUrl);
    return stage;
  }

  get cloud(): Server {
    if (this.#cloud === undefined) throw new Error('the server is asked for before it is there');
    return this.#cloud;
  }

  get edge(): Server {
    if (this.#edge === undefined) throw new Error('the daemon is asked for before it is there');
    return this.#edge;
  }

  /** Kills the server and starts another one at its address. */
  async replaceBy(bundle: string): Promise<void> {
    await this.cloud.stop('SIGKILL');
    await this.#startCloud(bundle, this.cloud.port);
  }

  /** Starts the server again, once it has ended. */
  startAgain(): Promise<void> {
    return this.#startCloud(this.bundle, this.cloud.port);
  }

  /** Starts one more daemon, and waits until it is connected. */
  async startEdge(url: string): Promise<Server> {
    const edge = await startServer('edge', this.edgeArgs(url));
    await waitUntil(() => connected(edge), 'the edge to connect');
    return edge;
  }

  edgeArgs(url: string): string[] {
    const cloud = ['--cloud', url, '--cloud-token-file', this.tokenFile];
    return ['--bundle', this.bundle, ...cloud, '--budget-ms', String(budgetMs)];
  }

  async #startCloud(bundle: string, port: number): Promise<void> {
    const limits = ['--max-queued-rows', String(places), '--max-batch-rows', String(batchRows)];
    const args = ['--bundle', bundle, '--port', String(port), '--token-file', this.tokenFile, ...limits];
    this.#cloud = await startServer('cloud', args);
  }
}

async function killed(stage: Stage): Promise<Scene> {
  return {
    edge: stage.edge,
    begin: async () => void (await stage.cloud.stop('SIGKILL')),
    end: () => stage.startAgain(),
  };
}

async function frozen({ cloud, edge }: Stage): Promise<Scene> {
  return {
    edge,
    begin: async () => void cloud.child.kill('SIGSTOP'),
    end: async () => void cloud.child.kill('SIGCONT'),
  };
}

/** Of the link's time, beginning with it; one image takes longer than the budget then. */
const slowMs = 2000;
const [slowBitsPerSecond, fastBitsPerSecond] = [4000, 20_000_000];

/** Its uplink is slow at first and fast from then on; anew whenever its time begins anew. */
async function slow(stage: Stage): Promise<Scene> {
  const steps = [
    { fromMs: 0, bitsPerSecond: slowBitsPerSecond },
    { fromMs: slowMs, bitsPerSecond: fastBitsPerSecond },
  ];
  const common = { delayMs: 10, jitterMs: 0, lossShare: 0, queueBytes: 65_536 };
  const up: Direction = { ...common, rate: { kind: 'steps', steps, lengthMs: 3_600_000 } };
  const down: Direction = { ...common, rate: { kind: 'constant', bitsPerSecond: fastBitsPerSecond } };
  const emulator = await LinkEmulator.start({
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: '127.0.0.1', port: stage.cloud.port },
    link: { name: 'an uplink that gets slow', source: 'made up', up, down, outages: [] },
    random: Math.random,
  });
  endings.push(() => emulator.close());
  const isFast = () => waitUntil(() => emulator.now() > slowMs, 'the uplink to be fast');
  await isFast();
  return {
    edge: await stage.startEdge(emulator.url.replace('tcp:', 'ws:')),
    begin: async () => emulator.restart(),
    end: isFast,
  };
}

async function full({ bundle, cloud, edge }: Stage): Promise<Scene> {
  const flood = await RawClient.connect(cloud.wsUrl, bundle);
  flood.send(encodeHello({ agent: 'flood', token, bundles: [claimOf(bundle)] }));
  await flood.next();
  const pixels = samples(1).image(0);
  const ask = () => flood.send(flood.infer(0, [pixels], floodBudgetMs));
  const askAgain = async () => {
    for (let frame = await flood.next(); frame !== undefined; frame = await flood.next()) {
      setTimeout(ask, frame.type === 'error' ? againMs : 0);
    }
  };
  return {
    edge,
    begin: async () => {
      for (let sent = 0; sent < others; sent++) ask();
      void askAgain();
    },
    end: () => flood.close(),
  };
}

/** Whether a daemon knows that its server has another bundle. */
async function isRefused(edge: Server): Promise<boolean> {
  const { cloud } = (await (await fetch(`${edge.url}/v1/status`)).json()) as StatusJson;
  return cloud.problem?.code === 'BUNDLE_DIGEST_MISMATCH';
}

async function replaced(stage: Stage): Promise<Scene> {
  return {
    edge: stage.edge,
    begin: async () => {
      await stage.replaceBy(committedBundle);
      await waitUntil(() => isRefused(stage.edge), 'the daemon to hear of the other bundle');
    },
    end: () => stage.replaceBy(stage.bundle),
  };
}

/** A name that no resolver knows (RFC 6761 section 6.4). */
async function nameless(stage: Stage): Promise<Scene> {
  return { edge: await startServer('edge', stage.edgeArgs('ws://nowhere.invalid:8470')) };
}

/** Runs a command in a mount namespace of its own, where a file of ours stands for the system's table of names. */
const namespace = ['--map-root-user', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"'];

/** A daemon that looks names up in a table of its own. */
async function startEdgeWithNames(hosts: string, args: readonly string[]): Promise<Scene['edge']> {
  const port = String(await freePort());
  const offramp = [process.execPath, join(projectFolder, 'scripts', 'offramp.mjs'), 'edge', '--port', port];
  const child = spawn('unshare', [...namespace, hosts, ...offramp, ...args], {
    cwd: projectFolder,
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  endings.push(() => {
    child.kill('SIGKILL');
    return ended;
  });
  return { url: `http://127.0.0.1:${port}` };
}

/** Its name is taken out of the table of names, and the server, still at its address, starts anew. */
async function nameGone(stage: Stage): Promise<Scene> {
  const hosts = join(temporaryFolder(), 'hosts');
  const giveName = () => writeFileSync(hosts, '127.0.0.1 localhost offramp-cloud.test\n');
  giveName();
  const url = `ws://offramp-cloud.test:${stage.cloud.port}`;
  const edge = await startEdgeWithNames(hosts, stage.edgeArgs(url));
  const isConnected = async () => (await metric(edge.url, 'offramp_edge_cloud_connected')) === 1;
  await waitUntil(() => isConnected().catch(() => false), 'the edge to connect', { everyMs: 50 });
  return {
    edge,
    begin: () => {
      writeFileSync(hosts, '127.0.0.1 localhost\n');
      return stage.replaceBy(stage.bundle);
    },
    end: async () => giveName(),
  };
}

function canHaveNames(): boolean {
  const file = join(temporaryFolder(), 'hosts');
  writeFileSync(file, '127.0.0.1 localhost\n');
  return spawnSync('unshare', [...namespace, file, 'true']).status === 0;
}

const scenes: Readonly<Record<string, (stage: Stage) => Promise<Scene>>> = {
  'killed, and started again': killed,
  'frozen, and going on': frozen,
  'behind a link that is too slow for the budget': slow,
  'full of the work of others': full,
  'replaced by one with another bundle': replaced,
  'its name unknown from the start': nameless,
  'its name gone, and there again': nameGone,
};

/** The reasons that the page's row on a trouble names. */
function documentedReasons(trouble: string): string[] {
  const row = page.split('\n').find((line) => line.startsWith(`| ${trouble} |`));
  return [...(row?.split('|')[3] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, reason = '']) => reason);
}

const troubles = suite('a server in trouble');

let stage: Promise<Stage> | undefined;

troubles.after.each(async () => {
  for (const end of endings.splice(0)) await end();
});
troubles.after(cleanUp);

for (const [trouble, setScene] of Object.entries(scenes)) {
  troubles(`${trouble}: everybody is answered in time`, async () => {
    if (setScene === nameGone && !canHaveNames())
      return skip('no mount namespace here, for a table of names');
    stage ??= Stage.start();
    const report = await live(await setScene(await stage));
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
