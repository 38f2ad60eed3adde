/** Visits to the page in a real Chromium, from a real server: one browser and one server for all tests of a file. */
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core';
import { suite, type Test } from 'uvu';
import { chromiumFlags, systemChromium } from '../support/browser.ts';
import { skip } from '../support/data.ts';
import { Visit } from './page-visit.ts';
import { cleanUp, type Server, startServer } from './support.ts';

export interface World {
  readonly browser: Browser;
  readonly cloud: Server;
}

export interface VisitOptions extends BrowserContextOptions {
  /** Before the page is loaded. */
  readonly before?: (visit: Visit) => Promise<unknown>;
}

export interface PageSuite {
  readonly page: Test;
  /** A test with the world that all share, skipped with the reason where there is no browser. */
  inWorld(name: string, test: (world: World) => Promise<void>): void;
  /** One with a visitor of its own besides. */
  visiting(name: string, test: (visit: Visit, world: World) => Promise<void>, options?: VisitOptions): void;
}

const bundles = ['--bundle', 'b-lenet-mnist', '--bundle', 'b-resnet-cifar10'];
const found = systemChromium();

/** @param flags of the browser. */
export function pageSuite(name: string, flags: readonly string[] = chromiumFlags): PageSuite {
  const page = suite(name);
  let world: Promise<World> | undefined;
  page.after(async () => {
    if (world !== undefined) {
      const { browser, cloud } = await world;
      await browser.close();
      // By its own end: one that is killed leaves the page that it has built.
      await cloud.stop();
    }
    await cleanUp();
  });
  const inWorld: PageSuite['inWorld'] = (statement, test) => {
    page(statement, async () => {
      if ('lacking' in found) return skip(found.lacking);
      world ??= makeWorld(found.path, flags);
      await test(await world);
    });
  };
  const visiting: PageSuite['visiting'] = (statement, test, { before, ...settings } = {}) => {
    inWorld(statement, async (shared) => {
      const context = await shared.browser.newContext({ serviceWorkers: 'block', ...settings });
      try {
        const visit = new Visit(await context.newPage());
        await before?.(visit);
        await visit.page.goto(`${shared.cloud.url}/page/`);
        await test(visit, shared);
      } finally {
        await context.close();
      }
    });
  };
  return { page, inWorld, visiting };
}

async function makeWorld(executablePath: string, flags: readonly string[]): Promise<World> {
  const [browser, cloud] = await Promise.all([
    chromium.launch({ executablePath, args: [...flags] }),
    startServer('cloud', ['--page', ...bundles]),
  ]);
  return { browser, cloud };
}
