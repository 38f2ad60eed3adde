/**
 * Takes the picture of the console in the documentation, with devices that send images all the while:
 * `node --import tsx test/e2e/console-picture.ts [FILE] [light or dark] [WIDTH] [SECONDS]`.
 */
import { join } from 'node:path';
import sharp from 'sharp';
import { demoImages } from '../../scripts/demo/images.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { systemChromium } from '../support/browser.ts';
import { cleanUp, connected, projectFolder, type Server, sleep, startServer, waitUntil } from './support.ts';
import { launch } from './web-browser.ts';

const [
  file = join(projectFolder, 'docs', 'images', 'console.png'),
  scheme = 'light',
  width = '1200',
  seconds = '75',
] = process.argv.slice(2);

async function device(cloud: Server, id: string, args: readonly string[]): Promise<Server> {
  const edge = await startServer('edge', [
    '--bundle',
    id,
    '--cloud',
    cloud.wsUrl,
    '--audit-share',
    '0',
    ...args,
  ]);
  await waitUntil(() => connected(edge), 'a device to connect');
  return edge;
}

/** Sends images, more at some times than at others, until the time is over. */
async function send(edge: Server, id: string, untilMs: number): Promise<void> {
  const { manifest } = await openBundle(bundleFolder(join(projectFolder, 'models', id)), { segments: [] });
  const images = demoImages(manifest, process.env.OFFRAMP_DATA);
  for (let round = 0; performance.now() < untilMs; round++) {
    const count = 1 + Math.round(6 * (1 + Math.sin(round / 25)));
    const body = Buffer.concat(
      Array.from({ length: count }, (_, index) => images.image((7 * round + index) % images.count)),
    );
    const headers = { 'content-type': 'application/octet-stream' };
    await (
      await fetch(`${edge.url}/v1/classify?budgetMs=2000`, { method: 'POST', headers, body })
    ).arrayBuffer();
    await sleep(60 + 40 * Math.cos(round / 40));
  }
}

const found = systemChromium();
if ('lacking' in found) throw new Error(found.lacking);
const resnet = 'b-resnet-cifar10';
const lenet = 'b-lenet-mnist';
const cloud = await startServer('cloud', ['--bundle', lenet, '--bundle', resnet]);
const devices = [
  { id: resnet, args: ['--cut', '1'] },
  { id: resnet, args: ['--cut', '2', '--threshold', '0.2,0.1'] },
  { id: lenet, args: ['--threshold', '0'] },
];
const untilMs = performance.now() + Number(seconds) * 1000;
const traffic = devices.map(async ({ id, args }) => send(await device(cloud, id, args), id, untilMs));
const browser = await launch(found.path);
const page = await browser.newPage({
  viewport: { width: Number(width), height: 1000 },
  colorScheme: scheme === 'dark' ? 'dark' : 'light',
});
await sleep(1000);
// A request for something that is not served, so that there is a refusal to see.
await fetch(`${cloud.url}/v2/models/unknown`);
await page.goto(`${cloud.url}/console/`);
await sleep(Math.max(2000, untilMs - performance.now() - 1500));
const picture = await page.screenshot({ fullPage: true });
await sharp(picture).png({ palette: true, colours: 128, effort: 10 }).toFile(file);
await browser.close();
await Promise.all(traffic);
await cleanUp();
