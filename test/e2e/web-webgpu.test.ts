/** The agent in a page on WebGPU, over the driver in software that Chromium brings: the answers have to be WebAssembly's. */
import type { Browser } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AgentSettings } from '../../edge/web/index.ts';
import { softwareWebGpuFlags, systemChromium } from '../support/browser.ts';
import { skip } from '../support/data.ts';
import { temporaryFolder } from './images.ts';
import { cleanUp, note } from './support.ts';
import { AgentPage, launch, type PlainAnswer } from './web-browser.ts';
import { buildWeb, Site, violations } from './web-site.ts';
import { digits, joined, photographs, type Subject } from './web-subjects.ts';

const subjects = [digits(50), photographs(50)];
const tolerance = 1e-4;
/** Software takes its time. */
const budgetMs = 60_000;
const webGpuFile = 'ort-wasm-simd-threaded.asyncify.wasm';
const found = systemChromium();

let site: Promise<Site> | undefined;
const browsers: Browser[] = [];

async function makeSite(): Promise<Site> {
  const built = temporaryFolder();
  buildWeb(built);
  const bundles = Object.fromEntries(subjects.map(({ id, folder }) => [id, folder]));
  const files = new Map(
    subjects.flatMap(({ id, images }) =>
      ways.map((way) => [`/images/${id}/${way.images}`, joined(images.slice(0, way.images))] as const),
    ),
  );
  return Site.start({ built, bundles, files });
}

/** A page of a browser of its own, undefined and the reason told where there is none. */
async function openPage(flags?: readonly string[]): Promise<AgentPage | undefined> {
  if ('lacking' in found) {
    skip(found.lacking);
    return undefined;
  }
  site ??= makeSite();
  const { origin } = await site;
  const browser = await launch(found.path, flags);
  browsers.push(browser);
  return AgentPage.open(browser, origin);
}

interface Way {
  readonly words: string;
  readonly settings: AgentSettings;
  /** How many of the images; software takes seconds for the segments of a server. */
  readonly images: number;
}

const ways: readonly Way[] = [
  { words: 'first segment', settings: { cut: 1 }, images: 50 },
  { words: 'all segments', settings: { threshold: 0 }, images: 2 },
];

async function answersOn(
  page: AgentPage,
  provider: 'wasm' | 'webgpu',
  { id, images }: Subject,
  { settings, images: count }: Way,
): Promise<readonly PlainAnswer[]> {
  await page.ask('start', { bundleUrl: `/models/${id}`, provider, ...settings });
  const imageBytes = images[0]?.length ?? 0;
  const order = { url: `/images/${id}/${count}`, imageBytes, budgetMs };
  const { answers } = await page.ask('classifyAll', order);
  const status = await page.ask('status');
  note(`${id} on ${status.provider}: ${status.segmentMs.map((ms) => ms.toFixed(2)).join(', ')} ms a segment`);
  assert.is(status.provider, provider);
  return answers;
}

/** Checks answer by answer, and gives the greatest difference of their entropies. */
function compare(answers: readonly PlainAnswer[], expected: readonly PlainAnswer[]): number {
  let furthest = 0;
  for (const [index, answer] of expected.entries()) {
    const other = answers[index];
    assert.equal([other?.label, other?.exit, other?.route], [answer.label, answer.exit, answer.route]);
    furthest = Math.max(furthest, Math.abs((other?.entropy ?? Number.NaN) - answer.entropy));
  }
  return furthest;
}

const WebGpu = suite('WebGPU in a page');

WebGpu.after.each(async () => {
  for (const browser of browsers.splice(0)) await browser.close();
});

WebGpu.after(async () => {
  await (await site)?.stop();
  await cleanUp();
});

WebGpu('gives the labels and exits of WebAssembly, through every segment', async () => {
  const page = await openPage(softwareWebGpuFlags);
  if (page === undefined) return;
  const adapter: unknown = await page.page.evaluate(
    "navigator.gpu?.requestAdapter().then((one) => one && [one.info.vendor, one.info.architecture].join(' '))",
  );
  if (!adapter) return skip('this Chromium offers no WebGPU adapter in software');
  note(`WebGPU adapter: ${adapter}`);
  for (const subject of subjects) {
    for (const way of ways) {
      const expected = await answersOn(page, 'wasm', subject, way);
      const answers = await answersOn(page, 'webgpu', subject, way);
      assert.is(answers.length, way.images);
      const furthest = compare(answers, expected);
      note(`${subject.id}, ${way.words}: ${way.images} labels the same, entropies ${furthest} apart at most`);
      assert.ok(furthest <= tolerance, `${subject.id}: entropies ${furthest} apart`);
    }
  }
  assert.not((await site)?.urls.includes(violations), 'something was done that the policy forbids');
});

WebGpu('is refused where the browser offers none, before anything of it is loaded', async () => {
  const page = await openPage();
  if (page === undefined) return;
  const { urls } = await (site ?? makeSite());
  const bundleUrl = `/models/${subjects[0]?.id}`;
  const before = urls.length;
  const { code, message } = await page.refusal('start', { bundleUrl, provider: 'webgpu' });
  assert.is(code, 'PROVIDER_UNAVAILABLE');
  assert.match(message, 'webgpu: this browser offers no adapter');
  for (const provider of [undefined, 'auto', 'wasm'] as const) {
    await page.ask('start', { bundleUrl, ...(provider !== undefined && { provider }) });
    assert.is((await page.ask('status')).provider, 'wasm');
  }
  assert.not(urls.slice(before).some((url) => url.includes(webGpuFile) || url.includes('webgpu')));
});

WebGpu('is refused where its files are not served, and in a word that is none', async () => {
  const page = await openPage(softwareWebGpuFlags);
  if (page === undefined) return;
  const bundleUrl = `/models/${subjects[0]?.id}`;
  const missing = await page.refusal('start', { bundleUrl, provider: 'webgpu', wasmUrl: '/nowhere' });
  assert.is(missing.code, 'PROVIDER_UNAVAILABLE');
  // As a page without types may write it.
  const wrong = await page.refusal('start', { bundleUrl, provider: 'cuda' as 'auto' });
  assert.is(wrong.code, 'CONFIG_INVALID');
  assert.match(wrong.message, 'provider: got cuda, expected one of auto, wasm, webgpu');
});

WebGpu.run();
