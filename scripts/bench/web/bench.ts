import type { Browser, BrowserContext } from 'playwright-core';
import { OfframpError } from '../../../shared/errors.ts';
import type { StageProgress } from '../../output.ts';
import { spawnServer } from '../../processes.ts';
import { type Quantiles, quantiles } from '../../quantiles.ts';
import { chromiumFlags, systemChromium } from './browser.ts';

export interface WebBenchOptions {
  /** Id or folder. */
  readonly bundle: string;
  /** Visits of each kind. */
  readonly visits: number;
  readonly onProgress: StageProgress<WebStage>;
}

export type WebStage = 'cold' | 'warm';

/** From the beginning of the navigation on, milliseconds. */
export interface VisitTimes {
  /** Until pictures may be shown to the page. */
  readonly readyMs: Quantiles;
  /** Until the answer to a picture, shown at that very moment, is to be read. */
  readonly answerMs: Quantiles;
}

/** How soon the page that a server shows has its first answer. */
export interface WebBench {
  readonly bundle: string;
  readonly browser: string;
  readonly visits: number;
  /** Nothing of the page is in any cache. */
  readonly cold: VisitTimes;
  /** The page has been kept for offline use. */
  readonly warm: VisitTimes;
}

interface Visited {
  readonly readyMs: number;
  readonly answerMs: number;
}

const keepingDeadlineMs = 60_000;
/** In the page, so that nothing but the page is timed; its clock begins with the navigation. */
const visitScript = `new Promise((resolve) => {
  const sample = document.querySelector('#sample');
  const answer = document.querySelector('#verdict-class');
  const when = (holds, then) => (holds() ? then() : setTimeout(() => when(holds, then), 1));
  when(() => !sample.disabled, () => {
    const readyMs = performance.now();
    sample.click();
    when(() => /[a-z0-9]/i.test(answer.textContent), () => resolve({ readyMs, answerMs: performance.now() }));
  });
})`;

/**
 * Visits the page of a server on this machine with the system's Chromium, and times its first answers.
 * @throws OfframpError CONFIG_INVALID without a browser or what drives it, INTERNAL when the page does not answer.
 */
export async function benchWeb({ bundle, visits, onProgress }: WebBenchOptions): Promise<WebBench> {
  const browser = await launch();
  try {
    const server = await spawnServer(['cloud', '--page', '--bundle', bundle, '--port', '0'], {
      stderr: 'ignore',
    });
    try {
      const url = `${server.url}/page/`;
      const cold = await repeat(
        visits,
        () => coldVisit(browser, url),
        (done) => onProgress('cold', done, visits),
      );
      const context = await browser.newContext();
      await keep(context, url);
      const warm = await repeat(
        visits,
        () => visit(context, url),
        (done) => onProgress('warm', done, visits),
      );
      const figures = { cold: timesOf(cold), warm: timesOf(warm) };
      return { bundle, browser: `Chromium ${browser.version()}`, visits, ...figures };
    } finally {
      await server.stop();
    }
  } finally {
    await browser.close();
  }
}

async function launch(): Promise<Browser> {
  const found = systemChromium();
  if ('lacking' in found) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `Got ${found.lacking}, expected one, or OFFRAMP_CHROMIUM to name it`,
    );
  }
  let playwright: typeof import('playwright-core');
  try {
    playwright = await import('playwright-core');
  } catch (cause) {
    const mend = 'expected it to be installed: npm install --no-save playwright-core';
    throw new OfframpError('CONFIG_INVALID', `Got no playwright-core, ${mend}`, { cause });
  }
  return playwright.chromium.launch({ executablePath: found.path, args: [...chromiumFlags] });
}

async function coldVisit(browser: Browser, url: string): Promise<Visited> {
  const context = await browser.newContext({ serviceWorkers: 'block' });
  try {
    return await visit(context, url);
  } finally {
    await context.close();
  }
}

async function visit(context: BrowserContext, url: string): Promise<Visited> {
  const page = await context.newPage();
  try {
    await page.goto(url, { waitUntil: 'commit' });
    await page.waitForLoadState('domcontentloaded');
    return await page.evaluate<Visited>(visitScript);
  } finally {
    await page.close();
  }
}

/** Visits until the page says that it is kept. */
async function keep(context: BrowserContext, url: string): Promise<void> {
  const page = await context.newPage();
  await page.goto(url);
  const kept = page.locator('#kept', { hasText: 'Kept for offline use.' });
  try {
    await kept.waitFor({ state: 'attached', timeout: keepingDeadlineMs });
  } catch (cause) {
    const message = `The page was not kept within ${keepingDeadlineMs} ms, expected its service worker to keep it`;
    throw new OfframpError('INTERNAL', message, { cause });
  } finally {
    await page.close();
  }
}

async function repeat(
  times: number,
  visitOnce: () => Promise<Visited>,
  onDone: (done: number) => void,
): Promise<Visited[]> {
  const all: Visited[] = [];
  while (all.length < times) {
    all.push(await visitOnce());
    onDone(all.length);
  }
  return all;
}

function timesOf(visited: readonly Visited[]): VisitTimes {
  return {
    readyMs: quantiles(visited.map(({ readyMs }) => readyMs)),
    answerMs: quantiles(visited.map(({ answerMs }) => answerMs)),
  };
}
