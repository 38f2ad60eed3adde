/**
 * The process that fleet.ts starts: many agents with an uplink each, all over the same inference thread. Says over its IPC
 * channel how many are connected and, at the end, every answer; ends when its parent does.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Agent, Uplink } from '../../edge/agent/index.ts';
import { wsDial } from '../../edge/daemon/index.ts';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { type Runner, segmentGraph } from '../../shared/runtime/index.ts';
import { WorkerPool } from '../../shared/runtime/node/index.ts';
import type { FleetAnswer, FleetEvent, FleetMessage, FleetOptions } from './fleet.ts';
import { type Reference, samples } from './images.ts';
import { sleep } from './support.ts';

const images = samples(100);
const budgetMs = 10_000;
const answers: FleetAnswer[] = [];
const events: FleetEvent[] = [];
let asked = 0;
let stopped = false;

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function tell(message: FleetMessage): void {
  process.send?.(message);
}

function makeAgent(bundle: Bundle, runner: Runner, cut: number, cloud?: Uplink): Agent {
  return new Agent({
    bundle,
    runner,
    ...(cloud && { cloud }),
    clock: systemClock,
    cut,
    defaultBudgetMs: budgetMs,
    maxInFlight: 1,
  });
}

/** What each image has to be answered with, found without any connection. */
async function references(bundle: Bundle, runner: Runner): Promise<Reference[]> {
  const whole = makeAgent(bundle, runner, bundle.manifest.segments.length);
  const branch = makeAgent(bundle, runner, 1);
  const found: Reference[] = [];
  for (let index = 0; index < images.count; index++) {
    const { label } = await whole.classify(images.image(index));
    const { label: deviceLabel } = await branch.classify(images.image(index));
    found.push({ label, deviceLabel });
  }
  return found;
}

function makeUplink({ url, token, caFile }: FleetOptions, bundle: Bundle, agent: number): Uplink {
  const ca = readFileSync(caFile);
  const limits = { heartbeatMs: 5000, connectTimeoutMs: 5000, maxMessageBytes: 1024 * 1024 };
  return new Uplink({
    dial: wsDial({ url, ...limits, tls: () => ({ ca }) }),
    hello: { agent: `fleet/${agent}`, token, bundles: [{ id: bundle.manifest.id, digest: bundle.digest }] },
    clock: systemClock,
    random: Math.random,
    onEvent: ({ kind }) => {
      events.push({ agent, kind, atMs: nowMs() });
      tell({ kind: 'connected', count: uplinks.filter(({ connected }) => connected).length });
    },
  });
}

/** Has one agent ask one image after the other, at most one every `paceMs`. */
async function askAll(agent: Agent, index: number, paceMs: number): Promise<void> {
  // Not all in the same millisecond.
  await sleep((index * paceMs) / uplinks.length);
  for (let sequence = 0; !stopped; sequence++) {
    await Promise.all([askOne(agent, index, sequence), sleep(paceMs)]);
  }
}

async function askOne(agent: Agent, index: number, sequence: number): Promise<void> {
  const image = (index * 7 + sequence) % images.count;
  const askedAtMs = nowMs();
  asked++;
  const { label, degraded, reason } = await agent.classify(images.image(image));
  answers.push({ agent: index, sequence, image, label, degraded, reason, askedAtMs, answeredAtMs: nowMs() });
}

const options: FleetOptions = JSON.parse(process.argv[2] ?? '{}');
const bundle = await openBundle(bundleFolder(options.bundle));
const runner = await WorkerPool.start({
  graphs: bundle.manifest.segments.map((_, index) => segmentGraph(bundle, index)),
  workers: 1,
  threadsPerWorker: 1,
  providers: ['cpu'],
  maxQueuedRuns: options.agents,
});
const expected = await references(bundle, runner);
const uplinks: Uplink[] = [];
for (let agent = 0; agent < options.agents; agent++) uplinks.push(makeUplink(options, bundle, agent));
const agents = uplinks.map((uplink) => makeAgent(bundle, runner, 1, uplink));
for (const uplink of uplinks) uplink.start();

process.once('disconnect', () => process.exit(1));
process.on('message', (order: 'start' | 'stop') => {
  if (order === 'stop') stopped = true;
  else void run();
});

async function run(): Promise<void> {
  const delay = monitorEventLoopDelay();
  delay.enable();
  await Promise.all(agents.map((agent, index) => askAll(agent, index, options.paceMs)));
  tell({ kind: 'report', report: { asked, answers, events, expected, stalledMs: delay.max / 1e6 } });
  for (const uplink of uplinks) uplink.close();
  await runner.close();
  process.disconnect();
}
