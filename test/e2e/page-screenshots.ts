/**
 * Takes the pictures of the page for docs/images: `node --import tsx test/e2e/page-screenshots.ts`. It needs a Chromium; the pictures that
 * travel are drawn here.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { chromiumFlags, systemChromium } from '../support/browser.ts';
import { seven, Visit } from './page-visit.ts';
import { cleanUp, projectFolder, startServer } from './support.ts';

const size = { width: 1200, height: 900 };
/** Scenes as a child would paint them, which the branch is not sure of. */
const scenes = [
  scene(
    '#9fc3dd',
    '#2f6d9a',
    20,
    '<path d="M5 19h22l-4 6H9z" fill="#7b2d26"/><path d="M15 5v13h9z" fill="#f4f1e8"/><path d="M13.6 8v10H7z" fill="#e3ded0"/>',
  ),
  scene(
    '#cfd8dc',
    '#6d7077',
    23,
    '<rect x="4" y="10" width="15" height="12" fill="#c9472f"/><path d="M19 13h6l3 5v4h-9z" fill="#e0e3e6"/><circle cx="9" cy="23" r="3" fill="#222"/><circle cx="23" cy="23" r="3" fill="#222"/>',
  ),
  scene(
    '#86b7e8',
    '#cfe4f6',
    28,
    '<path d="M3 17l24-3 3 2-3 2-24 1z" fill="#eef1f4"/><path d="M12 16L8 6h3l8 9zM13 18l-3 7h3l7-7z" fill="#c7ced6"/><path d="M4 17L2 11h2l4 6z" fill="#b23a3a"/>',
  ),
];

function scene(sky: string, ground: string, horizon: number, things: string): string {
  const land = `<rect y="${horizon}" width="32" height="${32 - horizon}" fill="${ground}"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="256" height="256"><rect width="32" height="32" fill="${sky}"/>${land}${things}</svg>`;
}

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
await visit.page.selectOption('#bundle', 'b-resnet-cifar10');
await visit.ready();
for (const [index, drawing] of scenes.entries()) {
  const buffer = await sharp(Buffer.from(drawing)).png().toBuffer();
  await visit.page.setInputFiles('#file', { name: `scene-${index}.png`, mimeType: 'image/png', buffer });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const words = await visit.text('verdict-words');
  process.stdout.write(`scene ${index}: ${words}\n`);
  if ((await visit.text('verdict-head')).includes('Travelled')) break;
}
await keep('page-travelled');
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
