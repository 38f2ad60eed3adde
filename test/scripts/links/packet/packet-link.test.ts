/** Real packets between two network namespaces; as root on Linux, else skipped. Times are held to wide bounds: the machine is busy. */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startPacketLink } from '../../../../scripts/bench/e2e/packet-link.ts';
import { linkJson, parseLink } from '../../../../scripts/links/index.ts';
import { keepServerAddress, PacketLink, packetLinkLacking } from '../../../../scripts/links/packet/index.ts';
import { OfframpError } from '../../../../shared/errors.ts';
import { skip } from '../../../support/data.ts';

const program = fileURLToPath(new URL('../../../../scripts/links/packet/packet_link.py', import.meta.url));
const offramp = fileURLToPath(new URL('../../../../scripts/offramp.mjs', import.meta.url));
const farEnd = fileURLToPath(new URL('far-end.mjs', import.meta.url));
const lacking = packetLinkLacking();
/** Packets may be delivered so much before their time, in each direction. */
const earlyMs = 0.1;

const Packets = suite('a packet-level link');

/** A test that needs packets; skipped, with the reason, where there can be none. */
function withPackets(name: string, test: () => Promise<void>): void {
  Packets(name, async () => {
    if (lacking !== undefined) return skip(lacking);
    await test();
  });
}

let names = 0;

function namespaceName(): string {
  return `offramp-test-${process.pid}-${names++}`;
}

function isThere(namespace: string): boolean {
  return existsSync(`/run/netns/${namespace}`);
}

function readNothing(): never {
  throw new Error('there are no traces here');
}

/** What a link is started with, with a namespace of its own. */
function optionsOf(spec: string) {
  return { link: parseLink(spec, readNothing), namespace: namespaceName(), seed: 1, startAtMs: 0 };
}

/** A link while something is done with it; what passed over it. */
async function over(spec: string, work: (link: PacketLink) => Promise<void>) {
  const link = await PacketLink.start(optionsOf(spec));
  let summary: Awaited<ReturnType<PacketLink['stop']>> | undefined;
  try {
    await work(link);
  } finally {
    summary = await link.stop();
  }
  assert.not(isThere(link.places.namespace));
  return summary;
}

async function expectRefusal(starting: Promise<PacketLink>, message: RegExp): Promise<void> {
  await starting.then(
    () => assert.unreachable(),
    (error) => {
      assert.instance(error, OfframpError);
      assert.is(error.code, 'CONFIG_INVALID');
      assert.match(error.message, message);
    },
  );
}

/** What the far end says of its work in the device's namespace. */
async function atFarEnd<T>({ enter }: PacketLink, ...args: readonly (string | number)[]): Promise<T> {
  const [command = '', ...rest] = enter;
  const line = [...rest, process.execPath, farEnd, ...args.map(String)];
  return JSON.parse((await promisify(execFile)(command, line)).stdout);
}

interface Echo {
  readonly atMs: number;
  /** There and back; null when it never came. */
  readonly tookMs: number | null;
}

/** Datagrams that a device sends. */
interface Datagrams {
  readonly count: number;
  /** 0 for all at once. */
  readonly everyMs: number;
  readonly bytes: number;
  /** Called when the first of them has come to the server. */
  readonly onFirst?: () => void;
}

/** What becomes of datagrams that a server sends back, shortened. */
async function echoes(link: PacketLink, { count, everyMs, bytes, onFirst }: Datagrams): Promise<Echo[]> {
  const { server } = link.places;
  const socket = createSocket('udp4');
  socket.once('message', () => onFirst?.());
  socket.on('message', (message, { port, address }) => socket.send(message.subarray(0, 32), port, address));
  socket.bind(0, server);
  await once(socket, 'listening');
  try {
    return await atFarEnd<Echo[]>(link, 'echo', server, socket.address().port, count, everyMs, bytes);
  } finally {
    socket.close();
  }
}

function came({ tookMs }: Echo): number {
  return tookMs ?? Number.POSITIVE_INFINITY;
}

/** Takes what the far end sends; digests of both sides, and how long it was by its clock. */
async function transfer(link: PacketLink, bytes: number) {
  const { server: host } = link.places;
  const taken = createHash('sha256');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (chunk) => taken.update(chunk));
    socket.on('end', () => socket.end());
  });
  server.listen(0, host);
  await once(server, 'listening');
  try {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const sent = await atFarEnd<{ digest: string; tookMs: number }>(link, 'send', host, port, bytes);
    return { ...sent, taken: taken.digest('hex') };
  } finally {
    server.close();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

withPackets('makes a round trip take what it says', async () => {
  for (const rttMs of [2, 70]) {
    await over(`rtt=${rttMs}`, async (link) => {
      const took = (await echoes(link, { count: 40, everyMs: 10, bytes: 32 })).map(came);
      assert.ok(Math.min(...took) >= rttMs - 2 * earlyMs, `the least of ${rttMs}: ${Math.min(...took)}`);
      assert.ok(median(took) < rttMs + 15, `the median of ${rttMs}: ${median(took)}`);
    });
  }
});

withPackets('takes about a second for a megabyte at 8 Mbit/s, and TCP its slow start', async () => {
  await over('rtt=40,up=8,down=8', async (link) => {
    const { tookMs, taken, digest } = await transfer(link, 1_000_000);
    assert.is(taken, digest);
    // A million bytes with their headers, a round trip to connect, and another until the end is heard of.
    assert.ok(tookMs > 1036 + 70, `${tookMs} ms`);
    assert.ok(tookMs < 3000, `${tookMs} ms`);
  });
});

withPackets('has TCP send again what is lost, and the bytes stay the same', async () => {
  const bytes = 300_000;
  const { up } = await over('rtt=10,loss=0.05', async (link) => {
    const { taken, digest } = await transfer(link, bytes);
    assert.is(taken, digest);
  });
  assert.ok(up.lost > 0, 'nothing was lost');
  assert.ok(up.delivered >= bytes / 1448, `${up.delivered} delivered`);
  assert.is(up.taken, up.delivered + up.lost);
});

withPackets('holds packets for an outage, and begins anew when it is told', async () => {
  await over('rtt=20,outage=0+0.6', async (link) => {
    // The outage of its first beginning goes by.
    await pause(700);
    const onFirst = () => void link.restart();
    const took = await echoes(link, { count: 40, everyMs: 40, bytes: 32, onFirst });
    const held = took.slice(1).filter((one) => came(one) > 100);
    const ends = held.map((one) => one.atMs + came(one));
    assert.ok(held.length >= 5, `${held.length} were held`);
    assert.ok(Math.max(...held.map(came)) < 750, `they took ${held.map(came)} ms`);
    assert.ok(Math.max(...ends) - Math.min(...ends) < 100, `they came at ${ends} ms`);
  });
});

withPackets('drops what its queue has no room for', async () => {
  const { up } = await over('rtt=10,up=1,down=1,queue=15000', async (link) => {
    const took = await echoes(link, { count: 100, everyMs: 0, bytes: 1400 });
    const arrived = took.filter((one) => one.tookMs !== null).length;
    assert.ok(arrived >= 10 && arrived < 50, `${arrived} came`);
  });
  assert.ok(up.dropped > 50, `${up.dropped} dropped`);
});

withPackets('leads several devices to one server, and nowhere else', async () => {
  const server = await keepServerAddress();
  const link = parseLink('rtt=10', readNothing);
  const needs = { serverUrl: `http://${server.address}:8470`, link, spec: 'rtt=10', seed: 1, startAtMs: 0 };
  const links = await Promise.all([startPacketLink(needs), startPacketLink(needs)]);
  try {
    for (const { cloudUrl, enter, restart } of links) {
      assert.is(cloudUrl, `ws://${server.address}:8470`);
      await restart();
      const [command = '', ...rest] = enter;
      const routes = execFileSync(command, [...rest, 'ip', 'route'], { encoding: 'utf8' });
      assert.match(routes.trim(), new RegExp(`^${server.address} dev .*$`));
    }
    assert.is.not(links[0]?.enter.at(-1), links[1]?.enter.at(-1));
  } finally {
    for (const one of links) await one.stop();
    await server.stop();
  }
});

withPackets('is the only one of its name, and takes away what is left of one that is gone', async () => {
  const options = optionsOf('rtt=10');
  execFileSync('ip', ['netns', 'add', options.namespace]);
  const link = await PacketLink.start(options);
  try {
    await expectRefusal(PacketLink.start(options), /is in use/);
  } finally {
    await link.stop();
  }
  assert.not(isThere(options.namespace));
});

/** The program by itself, once it has said that the link is there. */
async function startAlone(namespace: string) {
  const child = spawn('python3', ['-B', program, '--while-stdin', '--namespace', namespace], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  child.stdin.write(`${JSON.stringify(linkJson(parseLink('lte', readNothing)))}\n`);
  await once(createInterface({ input: child.stdout }), 'line');
  assert.ok(isThere(namespace));
  return { child, ended };
}

withPackets('takes its namespace away when its parent is gone, and when it is killed', async () => {
  for (const end of ['parent', 'kill'] as const) {
    const namespace = namespaceName();
    const { child, ended } = await startAlone(namespace);
    if (end === 'parent') child.stdin.end();
    else child.kill('SIGKILL');
    // And with it the process that takes the namespace away, which has its stdout too.
    await ended;
    assert.not(isThere(namespace), end);
  }
});

withPackets('is there for a command line as well', async () => {
  const namespace = namespaceName();
  const args = [offramp, 'emulate', '--packet', '--json', '--link', 'rtt=30', '--namespace', namespace];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = JSON.parse((await lines.next()).value);
  assert.is(said.namespace, namespace);
  assert.match(said.server, /^10\.213\.\d+\.1$/);
  child.kill('SIGTERM');
  assert.is(JSON.parse((await lines.next()).value).up.lost, 0);
  assert.equal(await ended, [0, null]);
  assert.not(isThere(namespace));
});

Packets.run();

const Refusals = suite('a packet-level link that cannot be');

Refusals('says what is wrong with its JSON, before anything else', () => {
  const { error, status, stderr } = spawnSync('python3', ['-B', program], {
    input: '{"up": 3}\n',
    encoding: 'utf8',
  });
  if (error !== undefined) return skip(error.message);
  assert.is(status, 2);
  assert.is(stderr, 'outages: got nothing, expected a list\n');
});

Refusals('names what is lacking', () => {
  const said = spawnSync('unshare', ['--user', 'python3', '-B', program, '--check'], { encoding: 'utf8' });
  if (said.error !== undefined || said.stderr.startsWith('unshare'))
    return skip('there is no unshare --user');
  assert.is(said.status, 3);
  assert.match(said.stderr, /^packet link: .*needs/);
});

refuses('a namespace that may be of somebody else', { namespace: 'vpn' }, /expected offramp-/);
refuses('an address of another network', { server: '127.0.0.1' }, /this machine has 127\.0\.0\.0\/8/);
refuses('a congestion control that there is not', { congestion: 'none' }, /expected one of/);

function refuses(name: string, change: object, message: RegExp): void {
  Refusals(`refuses ${name}`, async () => {
    if (lacking !== undefined) return skip(lacking);
    const options = { ...optionsOf('rtt=10'), ...change };
    await expectRefusal(PacketLink.start(options), message);
    assert.not(isThere(options.namespace));
  });
}

Refusals.run();
