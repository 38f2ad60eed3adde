/** The console in a real Chromium, on a real server that a real device sends images to. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import { drawnImage } from '../runtime/real-bundle.ts';
import { systemChromium } from '../support/browser.ts';
import { skip } from '../support/data.ts';
import { temporaryFolder } from './images.ts';
import {
  cleanUp,
  committedBundle,
  connected,
  projectFolder,
  type Server,
  startServer,
  waitUntil,
} from './support.ts';
import { holdsInPage, launch } from './web-browser.ts';

const deviceToken = 'the-token-of-a-device';
const readerToken = 'the-token-of-a-reader';
const adminToken = 'the-token-of-an-operator';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Tokens for a device, a reader and an administrator. */
function tokenFiles(): { readonly cloud: string; readonly device: string } {
  const folder = temporaryFolder();
  const [cloud, device] = [join(folder, 'cloud.txt'), join(folder, 'device.txt')];
  const lines = [
    `camera-7 ${deviceToken}`,
    `reader ${readerToken} scope read`,
    `operator ${adminToken} scope admin`,
  ];
  writeFileSync(cloud, lines.join('\n'));
  writeFileSync(device, deviceToken);
  return { cloud, device };
}

function startCloud(tokens: string, args: readonly string[] = []): Promise<Server> {
  return startServer('cloud', ['--bundle', committedBundle, '--token-file', tokens, ...args]);
}

/** A device whose every image travels. */
async function startDevice(cloud: Server, tokens: string): Promise<Server> {
  const args = ['--bundle', committedBundle, '--threshold', '0', '--audit-share', '0'];
  const edge = await startServer('edge', [...args, '--cloud', cloud.wsUrl, '--cloud-token-file', tokens]);
  await waitUntil(() => connected(edge), 'the device to connect');
  return edge;
}

async function classify(edge: Server, images: number): Promise<void> {
  const body = Buffer.concat(Array.from({ length: images }, (_, index) => drawnImage(index)));
  const headers = { 'content-type': 'application/octet-stream' };
  const response = await fetch(`${edge.url}/v1/classify`, { method: 'POST', headers, body });
  assert.is(response.status, 200);
  await response.json();
}

/** So many requests of 32 pictures that show nothing. */
async function classifyNoise(edge: Server, requests: number): Promise<void> {
  const random = seededRandom(3);
  const headers = { 'content-type': 'application/octet-stream' };
  for (let request = 0; request < requests; request++) {
    const body = Uint8Array.from({ length: 32 * 784 }, () => 256 * random());
    const response = await fetch(`${edge.url}/v1/classify`, { method: 'POST', headers, body });
    assert.is(response.status, 200);
    await response.json();
  }
}

function bearer(token: string) {
  return { authorization: `Bearer ${token}` };
}

/** A page with what the browser has to complain of. */
interface Shown {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly complaints: string[];
}

async function open(browser: Browser, cloud: Server): Promise<Shown> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${cloud.url}/console`);
  return { page, context, complaints };
}

async function enter(page: Page, token: string): Promise<void> {
  await page.locator('#token').fill(token);
  await page.keyboard.press('Enter');
}

function says(page: Page, selector: string, words: string | RegExp): Promise<void> {
  const found = async () => {
    const texts = await page.locator(selector).allTextContents();
    return texts.some((text) => (typeof words === 'string' ? text.includes(words) : words.test(text)));
  };
  return waitUntil(found, `${selector} to say ${words}`, { everyMs: 50 });
}

/** What axe finds, by name and place. */
async function faults(page: Page): Promise<string[]> {
  // The debugger evaluates it, so that the page's policy need not let it in.
  await page.evaluate(axe);
  const violations: { readonly id: string; readonly nodes: { readonly target: string[] }[] }[] =
    await page.evaluate('axe.run().then(({ violations }) => violations)');
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
  );
}

const found = systemChromium();
let browser: Browser | undefined;

const Console = suite('the console in a browser');

Console.after.each(cleanUp);
Console.after(async () => {
  await browser?.close();
});

/** Skipped, with the reason, where there is no browser. */
function inBrowser(name: string, test: (browser: Browser) => Promise<void>): void {
  Console(name, async () => {
    if ('lacking' in found) return skip(found.lacking);
    browser ??= await launch(found.path);
    await test(browser);
  });
}

inBrowser(
  'shows a reader who is connected, what is answered and what is refused, and no buttons',
  async (own) => {
    const tokens = tokenFiles();
    const cloud = await startCloud(tokens.cloud);
    const edge = await startDevice(cloud, tokens.device);
    const { page, context, complaints } = await open(own, cloud);
    await holdsInPage(page, "document.querySelector('#token-form').hidden === false");
    assert.equal(await faults(page), []);
    await enter(page, 'a-token-that-is-unknown');
    await says(page, '#token-why', 'UNAUTHORIZED');
    await enter(page, deviceToken);
    await says(page, '#token-why', 'FORBIDDEN');
    await enter(page, readerToken);
    await says(page, '#state', 'serving');
    await classify(edge, 20);
    await says(page, '#devices tbody tr', /camera-7.*offramp.*127\.0\.0\.1.*b-lenet-mnist.*cut 1 100 %/);
    await says(page, '#tiles', '20 since the start');
    await says(page, '#lanes tbody tr', 'b-lenet-mnist');
    await says(page, '#bundles tbody tr', 'serving');
    await says(page, '#refusals tbody tr', /^UNAUTHORIZED.*(?:token|certificate)/);
    await says(page, '#refusals tbody tr', /^FORBIDDEN/);
    await says(page, '.plots figcaption', /Rows by exit.*exit 1/);
    assert.is(await page.locator('canvas').count(), 4);
    assert.is(await page.locator('.grave:visible').count(), 0, 'a reader sees a button');
    assert.is(await page.evaluate('document.cookie'), '');
    // The refused tokens are the browser's to report; nothing else is.
    const others = complaints.filter((text) => !/status of 40[13]/.test(text));
    assert.equal(others, []);
    for (const [colorScheme, width] of [
      ['light', 1200],
      ['dark', 1200],
      ['light', 400],
      ['dark', 400],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      assert.equal(await faults(page), [], `${colorScheme}, ${width} pixels`);
      const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      assert.is(await page.evaluate(overflow), 0, `${width} pixels: the page itself scrolls sideways`);
    }
    await page.locator('.plots summary').first().press('Enter');
    await says(page, '.plots td', /\d/);
    assert.equal(await faults(page), [], 'with a table open');
    await context.close();
  },
);

inBrowser('shows which devices have a drift alarm, and why', async (own) => {
  const tokens = tokenFiles();
  const cloud = await startCloud(tokens.cloud);
  // Of these digits as many are sure as at calibration, of what the next pictures show next to none.
  const edge = await startDevice(cloud, tokens.device);
  const { page, context } = await open(own, cloud);
  await enter(page, readerToken);
  await says(page, '#tiles', 'no drift alarm');
  await classifyNoise(edge, 5);
  await says(page, '#tiles', '1 with a drift alarm');
  await says(
    page,
    '#devices tbody tr',
    /b-lenet-mnist: [\d.]+ % of the images are sure on the device, 97 % at/,
  );
  assert.equal(await faults(page), []);
  const metrics = await (await fetch(`${cloud.url}/metrics`, { headers: bearer(adminToken) })).text();
  assert.match(metrics, /^offramp_cloud_alarmed_devices\{watch="exit-share"\} 1$/m);
  assert.match(metrics, /^offramp_cloud_alarmed_devices\{watch="audits"\} 0$/m);
  await edge.stop();
  await says(page, '#tiles', 'no drift alarm');
  await context.close();
});

inBrowser('says when the server has gone, and goes on when it is back', async (own) => {
  const tokens = tokenFiles();
  const cloud = await startCloud(tokens.cloud);
  const { page, context } = await open(own, cloud);
  await enter(page, readerToken);
  await says(page, '#state', 'serving');
  await cloud.stop('SIGKILL');
  await says(page, '#reached', /^Not reached since \d\d:\d\d:\d\d\.$/);
  assert.equal(await faults(page), []);
  const again = await startCloud(tokens.cloud, ['--port', String(cloud.port)]);
  await says(page, '#state', 'serving');
  assert.is(await page.locator('#reached').textContent(), '');
  await context.close();
  await again.stop();
});

inBrowser('lets an administrator load and unload a bundle, and drain, each after a word', async (own) => {
  const tokens = tokenFiles();
  const repository = temporaryFolder();
  const id = 'b-resnet-cifar10';
  cpSync(join(projectFolder, 'models', id), join(repository, id), { recursive: true });
  const cloud = await startCloud(tokens.cloud, ['--repository', repository]);
  const { page, context, complaints } = await open(own, cloud);
  await enter(page, adminToken);
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await says(page, '#bundles tbody tr', /^b-resnet-cifar10.*serving/);
  await says(page, '#told', 'is loaded');
  await page.getByRole('button', { name: /^Unload b-resnet-cifar10/ }).press('Enter');
  const go = page.locator('#confirm-go');
  assert.ok(await go.isDisabled());
  assert.equal(await faults(page), []);
  await page.locator('#confirm-word').fill('b-resnet');
  assert.ok(await go.isDisabled());
  await page.keyboard.press('Enter');
  await page.locator('#confirm-word').fill(id);
  await page.keyboard.press('Enter');
  await says(page, '#told', 'is unloaded');
  await waitUntil(async () => (await page.locator('#bundles tbody tr').count()) === 1, 'its row to go');
  await page.getByRole('button', { name: /^Unload b-lenet-mnist/ }).click();
  await page.locator('#confirm-word').fill('b-lenet-mnist');
  await go.click();
  await says(page, '#told', 'CONFIG_INVALID');
  await page.getByRole('button', { name: /^Drain this server/ }).click();
  await page.locator('#confirm-word').fill('drain');
  await go.click();
  assert.is(await cloud.ended, 0);
  assert.equal(
    complaints.filter((text) => !/status of (?:401|500|503)|ERR_CONNECTION|Failed to fetch/.test(text)),
    [],
  );
  await context.close();
});

Console.run();
