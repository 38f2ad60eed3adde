/**
 * Takes the picture of the page for docs/images, a digit drawn on it: `node --import tsx test/e2e/page-screenshots.ts`. It needs a Chromium.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { chromiumFlags, systemChromium } from '../support/browser.ts';
import { seven, Visit } from './page-visit.ts';
import { cleanUp, projectFolder, startServer } from './support.ts';

const size = { width: 1200, height: 900 };
const folder = join(projectFolder, 'docs', 'images');
const found = systemChromium();
if ('lacking' in found) throw new Error(found.lacking);

mkdirSync(folder, { recursive: true });
const cloud = await startServer(
  'cloud',
  ['--page', '--bundle', 'b-lenet-mnist', '--bundle', 'b-resnet-cifar10'],
  {},
);
const browser = await chromium.launch({ executablePath: found.path, args: chromiumFlags });
const context = await browser.newContext({ viewport: size, colorScheme: 'light', reducedMotion: 'reduce' });
const visit = new Visit(await context.newPage());
await visit.page.goto(`${cloud.url}/page/`);
await visit.ready();
await visit.draw(seven);
await visit.says('verdict-head', 'Left by the off-ramp');
await keep('page-exit');
await browser.close();
await cloud.stop();
await cleanUp();

/** What somebody sees without the runs, in few colours. */
async function keep(name: string): Promise<void> {
  const { page } = visit;
  await page.evaluate('scrollTo(0, 0); document.activeElement.blur()');
  await page.mouse.move(0, 0);
  await visit.holds("document.querySelector('#picture-bytes').textContent !== '-'");
  const bottom = await page.evaluate<number>(
    "document.querySelector('.settings').getBoundingClientRect().bottom + 20",
  );
  const clip = { x: 0, y: 0, width: size.width, height: Math.ceil(bottom) };
  const picture = await page.screenshot({ clip, fullPage: true });
  const file = join(folder, `${name}.png`);
  const { size: bytes } = await sharp(picture).png({ palette: true, colours: 128, effort: 10 }).toFile(file);
  process.stdout.write(`${file}: ${bytes} bytes\n`);
}
