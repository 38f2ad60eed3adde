/** The agent inside a page of a real Chromium, under strict headers, against a real server process. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startAgent } from '../../edge/daemon/index.ts';
import type { Answer } from '../../edge/web/index.ts';
import { readPage } from '../docs/page.ts';
import { systemChromium } from '../support/browser.ts';
import { skip } from '../support/data.ts';
import { editedBundle, inLanes, temporaryFolder } from './images.ts';
import { cleanUp, type Environment, note, type Server, startServer, waitUntil } from './support.ts';
import { AgentPage, holdsInPage, launch, type PlainAnswer } from './web-browser.ts';
import { buildWeb, Site, violations } from './web-site.ts';
import { digits, joined, photographs, type Subject } from './web-subjects.ts';

const token = 'a-token-that-is-in-no-address';
const env = { OFFRAMP_CLOUD_TOKEN: token };
const patientMs = 60_000;
const tolerance = 1e-4;

const lenet = digits(500);
const resnet = photographs(500);
const [digit = new Uint8Array(784)] = lenet.images;

/** What all tests share: one browser, one build, one site. */
interface World {
  readonly browser: Browser;
  readonly site: Site;
}

const found = systemChromium();
let world: Promise<World> | undefined;

async function makeWorld(path: string): Promise<World> {
  const built = temporaryFolder();
  buildWeb(built);
  const files = new Map<string, Uint8Array>([
    ...[lenet, resnet].map(({ id, images }) => [`/images/${id}`, joined(images)] as const),
    ['/images/digit', digit],
    ['/images/photo', resnet.images[0] ?? new Uint8Array(0)],
    ['/images/digit.png', await png(digit)],
    ['/images/none.png', new TextEncoder().encode('no picture')],
    ['/example/index.html', exampleOf('html')],
    ['/example/page.js', exampleOf('js')],
  ]);
  const bundles = { [lenet.id]: lenet.folder, [resnet.id]: resnet.folder, damaged: damagedBundle() };
  const [site, browser] = await Promise.all([Site.start({ built, bundles, files }), launch(path)]);
  return { browser, site };
}

/** A block of code of docs/web.md, as a reader copies it. */
function exampleOf(language: 'html' | 'js'): Uint8Array {
  const [, code = ''] =
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(readPage('web.md')) ?? [];
  return new TextEncoder().encode(code);
}

async function png(grey: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(
    await sharp(grey, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toBuffer(),
  );
}

/** One whose first segment is not what the manifest says. */
function damagedBundle(): string {
  const folder = editedBundle(() => {});
  writeFileSync(join(folder, 's0.onnx'), 'no graph');
  return folder;
}

const webAgent = suite('the agent in a page');

webAgent.after(async () => {
  if (world !== undefined) {
    const { browser, site } = await world;
    await browser.close();
    await site.stop();
  }
  await cleanUp();
});

/** A test with a page of its own, which is skipped, with the reason, where there is no browser. */
function inPage(name: string, test: (page: AgentPage, site: Site) => Promise<void>, path = '/'): void {
  webAgent(name, async () => {
    if ('lacking' in found) return skip(found.lacking);
    world ??= makeWorld(found.path);
    const { browser, site } = await world;
    const page = await AgentPage.open(browser, site.origin + path);
    try {
      await test(page, site);
    } finally {
      await page.page.close();
    }
  });
}

/** A server that the site hands its WebSockets on to. */
async function cloudBehind(
  site: Site,
  args: readonly string[] = [],
  secrets: Environment = env,
): Promise<Server> {
  const bundles = [lenet, resnet].flatMap(({ folder }) => ['--bundle', folder]);
  const cloud = await startServer('cloud', [...bundles, ...args], secrets);
  site.cloudPort = cloud.port;
  return cloud;
}

async function connectedPage(page: AgentPage): Promise<void> {
  const isConnected = async () => (await page.ask('status')).cloud?.connected === true;
  await waitUntil(isConnected, 'the page to connect', { everyMs: 50 });
}

/** What an agent of Node with the same server answers. */
async function nodeAnswers({ folder, images }: Subject, cloud: Server): Promise<Answer[]> {
  const running = await startAgent({
    ...{ bundleFolder: folder, cloudUrls: [cloud.wsUrl], cloudToken: () => token, onEvent: () => {} },
    ...{ budgetMs: patientMs, maxInFlight: 256, workers: 1, threadsPerWorker: 1, version: 'test' },
  });
  try {
    await waitUntil(() => running.cloud?.connected === true, 'the agent to connect');
    const answers: Answer[] = [];
    await inLanes(4, images.length, async (index) => {
      answers[index] = await running.agent.classify(images[index] ?? digit);
    });
    return answers;
  } finally {
    await running.stop();
  }
}

function countRoutes(answers: readonly Pick<PlainAnswer, 'route' | 'reason'>[]): string {
  const counts: Record<string, number> = {};
  for (const { route, reason } of answers) {
    const way = reason ?? route;
    counts[way] = (counts[way] ?? 0) + 1;
  }
  return JSON.stringify(counts);
}

inPage(
  'answers as one of Node does, hard images from the server, without a complaint',
  async (page, site) => {
    const cloud = await cloudBehind(site);
    const routes = new Set<string>();
    for (const one of [lenet, resnet]) {
      const expected = await nodeAnswers(one, cloud);
      await page.ask('start', { bundleUrl: `/models/${one.id}`, cloudUrl: '/', token });
      await connectedPage(page);
      const { answers, untouched } = await page.ask('classifyAll', {
        ...{
          url: `/images/${one.id}`,
          imageBytes: one.images[0]?.length ?? 0,
          budgetMs: patientMs,
          lanes: 4,
        },
      });
      assert.ok(untouched, "the caller's pixels are gone");
      assert.is(answers.length, one.images.length);
      const furthest = compare(answers, expected);
      note(
        `${one.id}: ${answers.length} answers ${countRoutes(answers)}, entropies apart by ${furthest} at most`,
      );
      assert.ok(furthest <= tolerance);
      for (const { route } of answers) routes.add(route);
    }
    assert.equal([...routes].sort(), ['exit', 'features']);
    const { provider, threads, cloud: seen } = await page.ask('status');
    assert.equal([provider, seen?.servers.map(({ lateAnswers }) => lateAnswers)], ['wasm', [0]]);
    assert.ok(threads >= 1);
    await page.ask('close');
    assert.equal(page.complaints, []);
    assert.equal(
      site.urls.filter((url) => url.includes(token)),
      [],
      'an address with the token',
    );
    assert.ok(site.urls.filter((url) => url === '/').length >= 2, 'no WebSocket came by the site');
    assert.not(site.urls.includes(violations), 'something was done that the policy forbids');
    await cloud.stop();
  },
);

/** Checks answer by answer, and gives the greatest difference of their entropies. */
function compare(answers: readonly PlainAnswer[], expected: readonly Answer[]): number {
  let furthest = 0;
  for (const [index, answer] of answers.entries()) {
    const other = expected[index];
    const said = ({ label, route, exit, degraded, reason }: PlainAnswer | Answer) =>
      JSON.stringify({ label, route, exit, degraded, reason });
    assert.is(said(answer), other && said(other), `image ${index}`);
    assert.is(answer.device?.label, other?.device?.label, `image ${index} at the branch`);
    assert.is(answer.device?.threshold, other?.device?.threshold);
    furthest = Math.max(furthest, Math.abs(answer.entropy - (other?.entropy ?? Number.NaN)));
    furthest = Math.max(
      furthest,
      Math.abs((answer.device?.entropy ?? Number.NaN) - (other?.device?.entropy ?? Number.NaN)),
    );
    const stages = Object.values(answer.stagesMs).reduce((sum, ms) => sum + ms, 0);
    assert.ok(Math.abs(stages - answer.latencyMs) < 1e-6, `stages of image ${index}`);
  }
  return furthest;
}

inPage(
  'answers by itself within the budget when the server is killed, and finds the next one',
  async (page, site) => {
    const first = await cloudBehind(site);
    const budgetMs = 1000;
    await page.ask('start', {
      bundleUrl: `/models/${lenet.id}`,
      cloudUrl: '/',
      token,
      threshold: 0,
      budgetMs,
    });
    await connectedPage(page);
    const ask = async (): Promise<PlainAnswer> => {
      const { answers } = await page.ask('classifyAll', { url: '/images/digit', imageBytes: 784 });
      return answers[0] as PlainAnswer;
    };
    const before = await ask();
    assert.equal([before.route, before.degraded], ['features', false]);
    assert.ok(before.bytesSent > 0);
    await first.stop('SIGKILL');
    for (let image = 0; image < 5; image++) {
      const answer = await ask();
      assert.equal([answer.route, answer.degraded], ['exit', true]);
      assert.ok(['CONNECTION_LOST', 'CLOUD_UNREACHABLE'].includes(answer.reason ?? ''), answer.reason);
      assert.ok(answer.latencyMs <= budgetMs, `${answer.latencyMs} ms`);
      assert.is(answer.label, before.device?.label);
    }
    const second = await cloudBehind(site, ['--port', String(first.port)]);
    await connectedPage(page);
    const after = await ask();
    assert.equal([after.route, after.degraded, after.label], ['features', false, before.label]);
    const kinds = (await page.ask('events')).map(({ kind }) => kind);
    assert.is(kinds[0], 'connected');
    assert.ok(kinds.includes('disconnected'));
    assert.is(kinds.at(-1), 'connected');
    await second.stop();
  },
);

inPage(
  'says that its token is wrong, or that the server may not like where the page is from',
  async (page, site) => {
    const cloud = await cloudBehind(site);
    const refusalOf = async (cloudUrl: string, said: string) => {
      await page.ask('start', { bundleUrl: `/models/${lenet.id}`, cloudUrl, token: said, threshold: 0 });
      const told = async () => (await page.ask('events')).some(({ kind }) => kind === 'disconnected');
      await waitUntil(told, 'the page to be refused');
      const [event] = await page.ask('events');
      assert.is(event?.kind, 'disconnected');
      const { answers } = await page.ask('classifyAll', { url: '/images/digit', imageBytes: 784 });
      assert.ok(answers[0]?.degraded);
      return event?.kind === 'disconnected' ? { ...event.problem, reason: answers[0]?.reason } : undefined;
    };
    const wrong = await refusalOf('/', 'another-token');
    assert.equal([wrong?.code, wrong?.reason], ['UNAUTHORIZED', 'UNAUTHORIZED']);
    assert.equal(page.complaints, []);
    const foreign = await refusalOf(cloud.wsUrl, token);
    assert.is(foreign?.code, 'CLOUD_UNREACHABLE');
    assert.match(foreign?.message ?? '', 'origin');
    await cloud.stop();
  },
);

inPage('changes what it follows when it is asked to, all of it or nothing', async (page, site) => {
  const cloud = await cloudBehind(site);
  await page.ask('start', { bundleUrl: `/models/${resnet.id}`, cloudUrl: '/', token, budgetMs: patientMs });
  await connectedPage(page);
  const photo = { url: '/images/photo', imageBytes: 3072 };
  const sparing = await page.ask('configure', { channels: 4, threshold: 0 });
  assert.equal([sparing.cut, sparing.channels, sparing.thresholds], [1, 4, [0]]);
  for (const [settings, code] of [
    [{ channels: 5 }, 'RATE_UNSUPPORTED'],
    [{ cut: 4 }, 'CUT_UNSUPPORTED'],
    [{ cut: 0.5 }, 'CUT_UNSUPPORTED'],
    [{ threshold: 1.5 }, 'CONFIG_INVALID'],
    [{ budgetMs: 0 }, 'BUDGET_INVALID'],
  ] as const) {
    assert.is((await page.refusal('configure', settings)).code, code);
    assert.equal((await page.ask('status')).settings, sparing, 'a change that was refused left something');
  }
  const [few] = (await page.ask('classifyAll', photo)).answers;
  assert.equal([few?.route, few?.channelsSent, few?.device?.threshold], ['features', 4, 0]);
  await page.ask('configure', { channels: 'all' });
  const [all] = (await page.ask('classifyAll', photo)).answers;
  assert.equal([all?.route, all?.channelsSent], ['features', 16]);
  assert.ok((all?.bytesSent ?? 0) > (few?.bytesSent ?? 0));
  const deeper = await page.ask('configure', { cut: 2 });
  assert.equal([deeper.channels, deeper.thresholds], [32, [0, 0]]);
  const [further] = (await page.ask('classifyAll', photo)).answers;
  assert.equal([further?.route, further?.device?.exit, further?.label], ['features', 'middle', all?.label]);
  await page.ask('configure', { cut: 0 });
  const [sent] = (await page.ask('classifyAll', photo)).answers;
  assert.equal([sent?.route, sent?.label], ['image', all?.label]);
  const own = await page.ask('configure', { cut: 3, threshold: 'calibrated' });
  assert.equal(own.thresholds, own.calibratedThresholds);
  assert.is((await page.ask('status')).segmentMs.length, 3);
  assert.equal(page.complaints, []);
  await page.ask('close');
  assert.is(
    (await page.refusal('start', { bundleUrl: '/models/x', cloudUrl: 'ftp://x' })).code,
    'CONFIG_INVALID',
  );
  await cloud.stop();
});

inPage('chooses its plans where it has an objective', async (page, site) => {
  const cloud = await cloudBehind(site);
  const bundleUrl = `/models/${lenet.id}`;
  await page.ask('start', { bundleUrl, cloudUrl: '/', token, objective: { aim: 'bytes' } });
  await connectedPage(page);
  const { answers } = await page.ask('classifyAll', { url: '/images/digit', imageBytes: 784 });
  const { plan, settings } = await page.ask('status');
  assert.is(answers[0]?.plan?.key, plan?.key);
  assert.ok((plan?.predicted.accuracy ?? 0) > 0.9);
  assert.is(settings.cut, 2, 'all on the device is nothing to send');
  assert.is((await page.refusal('configure', { cut: 1 })).code, 'CONFIG_INVALID');
  assert.is((await page.ask('configure', { budgetMs: 50 })).budgetMs, 50);
  assert.ok((await page.ask('events')).some(({ kind }) => kind === 'plan'));
  await cloud.stop();
});

inPage('takes what a page has for a picture, and refuses what is none', async (page) => {
  await page.ask('start', { bundleUrl: `/models/${lenet.id}`, cut: 2 });
  const { answers } = await page.ask('classifyAll', { url: '/images/digit', imageBytes: 784 });
  const [pixels] = answers;
  const drawn = await page.ask('classifyDrawn', { url: '/images/digit', side: 28, scale: 1 });
  const file = await page.ask('classifyFile', '/images/digit.png');
  for (const answer of [drawn, file]) assert.equal(answer.probabilities, pixels?.probabilities);
  assert.ok(file.stagesMs.prepare > 0);
  const large = await page.ask('classifyDrawn', { url: '/images/digit', side: 28, scale: 10 });
  assert.is(large.label, pixels?.label);
  assert.is((await page.refusal('classifyFile', '/images/none.png')).code, 'IMAGE_INVALID');
  const short = { url: '/images/digit', imageBytes: 783 };
  assert.is((await page.refusal('classifyAll', short)).code, 'IMAGE_INVALID');
  const late = { url: '/images/digit', imageBytes: 784, budgetMs: -1 };
  assert.is((await page.refusal('classifyAll', late)).code, 'BUDGET_INVALID');
});

inPage('is what docs/web.md shows', async ({ page, complaints }, site) => {
  const cloud = await cloudBehind(site, [], {});
  await page.goto(`${site.origin}/example/index.html`);
  await holdsInPage(page, "document.querySelector('#said').value.startsWith('ready')");
  const picture = { name: 'digit.png', mimeType: 'image/png', buffer: Buffer.from(await png(digit)) };
  await page.setInputFiles('#file', picture);
  await holdsInPage(page, "document.querySelector('#said').value.includes('entropy')");
  const said: unknown = await page.evaluate("document.querySelector('#said').value");
  assert.match(String(said), /^\d \(entropy \d\.\d{3}\), (?:exit|features), [\d.]+ ms$/);
  assert.equal(complaints, []);
  await cloud.stop();
});

inPage('does not start on what is missing or damaged, and says what', async (page) => {
  const bundleUrl = `/models/${lenet.id}`;
  for (const [options, code, words] of [
    [{ bundleUrl: '/models/nowhere' }, 'BUNDLE_FILE_MISSING', '404'],
    [{ bundleUrl: '/models/damaged' }, 'BUNDLE_FILE_CORRUPT', 's0.onnx'],
    [{ bundleUrl, wasmUrl: '/nowhere' }, 'PROVIDER_UNAVAILABLE', 'wasm'],
    [{ bundleUrl, workerUrl: '/nowhere.js' }, 'RUNTIME_FAILED', '/nowhere.js'],
    [{ bundleUrl, cut: 3 }, 'CUT_UNSUPPORTED', '3'],
    [{ bundleUrl, threads: 0 }, 'CONFIG_INVALID', 'threads'],
    [{ bundleUrl, maxInFlight: 0 }, 'CONFIG_INVALID', 'maxInFlight'],
    [{ bundleUrl, cut: 1, objective: { aim: 'bytes' } }, 'CONFIG_INVALID', 'objective'],
  ] as const) {
    const { name, code: got, message } = await page.refusal('start', options);
    assert.equal([name, got], ['OfframpError', code], message);
    assert.match(message, words);
  }
});

inPage('shares memory between threads where the page is isolated', async (page) => {
  await page.ask('start', { bundleUrl: `/models/${lenet.id}`, threads: 2 });
  const { answers } = await page.ask('classifyAll', { url: '/images/digit', imageBytes: 784 });
  assert.is(answers.length, 1);
  assert.is((await page.ask('status')).threads, 2);
  assert.equal(page.complaints, []);
});

inPage(
  'has one thread in a page that is not isolated, and says so when it is asked for more',
  async (page) => {
    const bundleUrl = `/models/${lenet.id}`;
    const { code, message } = await page.refusal('start', { bundleUrl, threads: 2 });
    assert.is(code, 'CONFIG_INVALID');
    assert.match(message, 'not cross-origin isolated');
    await page.ask('start', { bundleUrl });
    assert.is((await page.ask('status')).threads, 1);
    const { answers } = await page.ask('classifyAll', { url: '/images/digit', imageBytes: 784 });
    assert.is(answers.length, 1);
    assert.equal(page.complaints, []);
  },
  '/not-isolated',
);

webAgent.run();
