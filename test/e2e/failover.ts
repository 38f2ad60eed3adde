/**
 * Two servers behind a proxy that an example of docs/deploy/ sets up, and fifty agents: one server drains, later the other one is
 * killed. Every image is answered once and rightly; by the cloud through all of the drain, and after the kill unless its agent was
 * just then without a connection.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { skip } from '../support/data.ts';
import { endFleets, type Fleet, type FleetAnswer, type FleetReport, startFleet } from './fleet.ts';
import { offloadingBundle, temporaryFolder } from './images.ts';
import { endProxies, findProgram, freePort, type ProxySite, selfSigned } from './proxy.ts';
import { cleanUp, metrics, note, type Server, startServer, waitUntil } from './support.ts';

const agents = 50;
const paceMs = 500;
/** Images of every agent in each phase. */
const rounds = 4;
const token = 'a-token-of-the-failover-test';
const reconnectLimitMs = 10_000;
/** Where the agents stood still for longer than this, what they missed in the meantime says nothing about servers. */
const stallLimitMs = 500;
/** An agent gives a server that goes work for half a second; who had the next one by then has missed nothing. */
const promptMs = 450;
const slow = { deadlineMs: 60_000, everyMs: 50 };

interface Site {
  readonly bundle: string;
  readonly tokens: string;
  readonly servers: readonly [Server, Server];
  readonly fleet: Fleet;
}

/** Starts the proxy with its full path, and waits until it listens. */
export type StartProxy = (program: string, site: ProxySite) => Promise<void>;

/** Plays it with a proxy; says so and skips where the program is missing. */
export async function failOver(name: string, startProxy: StartProxy): Promise<void> {
  const program = findProgram(name);
  if (program === undefined) return skip(`no ${name} on this machine`);
  if (findProgram('openssl') === undefined) return skip('no openssl on this machine, to make a certificate');
  const { report, killedAtMs } = await play(await startSite(program, startProxy));
  checkAnswers(report);
  checkDegraded(report, killedAtMs);
}

/** Ends everything. Use it after each test. */
export async function endFailOver(): Promise<void> {
  endFleets();
  await endProxies();
  await cleanUp();
}

function startCloud(bundle: string, tokens: string, port: number): Promise<Server> {
  const access = ['--token-file', tokens, '--trust-proxy', '127.0.0.1'];
  return startServer('cloud', ['--bundle', bundle, '--port', String(port), ...access]);
}

async function startSite(program: string, startProxy: StartProxy): Promise<Site> {
  const folder = temporaryFolder();
  const bundle = offloadingBundle();
  const tokens = join(folder, 'tokens.txt');
  writeFileSync(tokens, `${token}\n`, { mode: 0o600 });
  const servers = await Promise.all([startCloud(bundle, tokens, 0), startCloud(bundle, tokens, 0)]);
  const port = await freePort();
  const pems = selfSigned(folder);
  await startProxy(program, { folder, port, ...pems, servers: [servers[0].port, servers[1].port] });
  const url = `wss://127.0.0.1:${port}/offramp`;
  const fleet = startFleet({ bundle, url, token, caFile: pems.certificate, agents, paceMs });
  await waitUntil(() => fleet.connected() === agents, 'all agents to connect', slow);
  return { bundle, tokens, servers, fleet };
}

/** What a server says of itself. */
async function load(server: Server): Promise<{ connections: number; rows: number }> {
  const all = await metrics(server.url);
  const rows = [...all].filter(([name]) => name.startsWith('offramp_cloud_rows_total{'));
  return {
    connections: all.get('offramp_cloud_connections') ?? 0,
    rows: rows.reduce((sum, [, value]) => sum + value, 0),
  };
}

/** Waits until a server has answered so many rows more. */
async function answers(server: Server, rows: number): Promise<void> {
  const before = (await load(server)).rows;
  await waitUntil(async () => (await load(server)).rows - before >= rows, `${rows} rows more`, slow);
}

/** Waits until a server has every agent, and answers for all of them. */
async function takesOver(server: Server, what: string): Promise<void> {
  const hasAll = async () => (await load(server)).connections === agents;
  await waitUntil(hasAll, `${what} to have every agent`, slow);
  await answers(server, agents * rounds);
  const { connections, rows } = await load(server);
  note(`${what}: ${connections} connections, ${rows} rows`);
}

/** Drains the first server, starts it again, kills the second; gives the agents' report, and when the kill was. */
async function play(site: Site): Promise<{ report: FleetReport; killedAtMs: number }> {
  const { bundle, tokens, servers, fleet } = site;
  const [first, second] = servers;
  const spread = await Promise.all(servers.map(load));
  note(`at first: ${spread.map(({ connections }) => connections).join(' and ')} connections`);
  for (const { connections } of spread) assert.ok(connections >= agents / 2 - 2, 'least connections');
  fleet.start();
  await Promise.all(servers.map((server) => answers(server, (agents * rounds) / 2)));

  assert.is(await first.stop('SIGTERM'), 0, first.stderr());
  assert.not.match(first.stderr(), 'given up', 'the drain answered everything');
  await takesOver(second, 'after SIGTERM, the other server');

  const again = await startCloud(bundle, tokens, first.port);
  assert.is((await load(again)).connections, 0);
  const killedAtMs = performance.timeOrigin + performance.now();
  assert.is(await second.stop('SIGKILL'), 'SIGKILL');
  await takesOver(again, 'after SIGKILL, the one that drained before');
  return { report: await fleet.stop(), killedAtMs };
}

function checkAnswers({ asked, answers, expected }: FleetReport): void {
  const names = new Set(answers.map(({ agent, sequence }) => `${agent}/${sequence}`));
  assert.is(answers.length, asked, 'every image has an answer');
  assert.is(names.size, asked, 'no image has two');
  for (const { agent, sequence, image, label, degraded } of answers) {
    const right = degraded ? expected[image]?.deviceLabel : expected[image]?.label;
    assert.is(label, right, `image ${sequence} of agent ${agent} has its own answer`);
  }
}

/** Whether an agent was without a connection at any time between the question and the answer. */
function wasApart({ events }: FleetReport, { agent, askedAtMs, answeredAtMs }: FleetAnswer): boolean {
  const own = events.filter((event) => event.agent === agent);
  return own.some(({ kind, atMs }, index) => {
    const until =
      own.slice(index).find((later) => later.kind === 'connected')?.atMs ?? Number.POSITIVE_INFINITY;
    return kind === 'disconnected' && atMs <= answeredAtMs && askedAtMs <= until;
  });
}

/** How long an agent that heard a goaway took from it to its next server. */
function movedMs({ events }: FleetReport, agent: number): number | undefined {
  const own = events.filter((event) => event.agent === agent);
  const goaway = own.find(({ kind }) => kind === 'goaway');
  if (goaway === undefined) return undefined;
  const next = own.slice(own.indexOf(goaway)).find(({ kind }) => kind === 'connected');
  return next === undefined ? Number.POSITIVE_INFINITY : next.atMs - goaway.atMs;
}

function reconnectMs({ events }: FleetReport, agent: number, sinceMs: number): number {
  const back = events.find(
    (event) => event.agent === agent && event.kind === 'connected' && event.atMs > sinceMs,
  );
  return back === undefined ? Number.POSITIVE_INFINITY : back.atMs - sinceMs;
}

function checkDegraded(report: FleetReport, killedAtMs: number): void {
  const degraded = report.answers.filter((answer) => answer.degraded);
  const [drained, killed] = [
    degraded.filter(({ answeredAtMs }) => answeredAtMs < killedAtMs),
    degraded.filter(({ answeredAtMs }) => answeredAtMs >= killedAtMs),
  ];
  const moves = Array.from({ length: agents }, (_, agent) => movedMs(report, agent));
  const moved = moves.filter((move) => move !== undefined);
  const gaps = Array.from({ length: agents }, (_, agent) => reconnectMs(report, agent, killedAtMs));
  note(
    `${report.asked} images; degraded: ${drained.length} by the drain, in which ${moved.length} agents moved in ` +
      `${Math.min(...moved).toFixed(0)} to ${Math.max(...moved).toFixed(0)} ms; ${killed.length} by the kill, ` +
      `all connected again ${Math.min(...gaps).toFixed(0)} to ${Math.max(...gaps).toFixed(0)} ms after it`,
  );
  if (report.stalledMs > stallLimitMs) {
    skip(`the agents stood still for ${report.stalledMs.toFixed(0)} ms: what was degraded is not judged`);
    return;
  }
  assert.ok(moved.length > 0, 'the drain was felt');
  const prompt = drained.filter(({ agent }) => (moves[agent] ?? 0) < promptMs);
  assert.equal(prompt, [], 'an agent that had its next server in time has no degraded answer');
  checkReasons(drained, ['DRAINING']);
  checkReasons(killed, ['CONNECTION_LOST', 'CLOUD_UNREACHABLE']);
  for (const answer of degraded) {
    assert.ok(wasApart(report, answer), `agent ${answer.agent} had a connection: ${JSON.stringify(answer)}`);
  }
  assert.ok(killed.length > 0, 'the kill was felt');
  assert.ok(Math.max(...gaps) < reconnectLimitMs, 'an agent was long without a server');
}

function checkReasons(degraded: readonly FleetAnswer[], allowed: readonly string[]): void {
  const others = degraded.filter(({ reason }) => !allowed.includes(reason ?? ''));
  assert.equal(others, []);
}
