import sharp from 'sharp';
import { type Manifest, openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder, untilSignal } from '../../shared/host/index.ts';
import { feed } from '../demo/feed.ts';
import { type DemoImages, demoImages } from '../demo/images.ts';
import { picture } from '../demo/picture.ts';
import { meanCompressedBytes, Tally } from '../demo/tally.ts';
import { print, printJson, say } from '../output.ts';
import { hasPage } from '../page.ts';
import { startPair } from '../pair.ts';
import { findBundle } from '../project.ts';

export interface DemoCommandOptions {
  readonly bundle: string;
  readonly once?: boolean;
  readonly rate?: number;
  readonly budgetMs: number;
  readonly json?: boolean;
}

const liveRate = 100;
const redrawMs = 500;
const quietRedrawMs = 5000;
const sampledForWebp = 200;

/** Two real processes on loopback, a stream of images through them, and what became of each. */
export async function demoCommand(options: DemoCommandOptions): Promise<void> {
  const folder = findBundle(options.bundle);
  const { manifest } = await openBundle(bundleFolder(folder), { segments: [] });
  const images = demoImages(manifest, process.env.OFFRAMP_DATA);
  let stopped = false;
  void untilSignal().then(() => {
    stopped = true;
  });
  const showsPage = !options.once && hasPage();
  const { cloud, edge } = await startPair({ bundle: folder, cloud: showsPage ? ['--page'] : [], edge: [] });
  // Without the agent there is no answer any more; without the cloud there is, and that is worth watching.
  void edge.ended.then((how) => {
    if (!stopped) say(`The edge agent ended with ${how}.`);
    stopped = true;
  });
  say(`cloud server  pid ${cloud.child.pid}  ${cloud.url}`);
  say(`edge agent    pid ${edge.child.pid}  ${edge.url}  (POST images to ${edge.url}/v1/classify)`);
  if (showsPage) say(`a page to try it  ${cloud.url}/page/`);
  say(`${images.count} images: ${images.source}${options.once ? '' : '. Ctrl-C ends it.'}\n`);
  const tally = new Tally();
  const startedAt = performance.now();
  const live = startLiveTable(tally, startedAt);
  await feed({
    edgeUrl: edge.url,
    images,
    tally,
    budgetMs: options.budgetMs,
    rate: options.rate ?? (options.once ? undefined : liveRate),
    passes: options.once ? 'one' : 'endless',
    stopped: () => stopped,
  });
  live.stop();
  const seconds = (performance.now() - startedAt) / 1000;
  stopped = true;
  await edge.stop();
  await cloud.stop();
  await report(tally, images, manifest, seconds, options);
  if (tally.failed > 0) process.exitCode = 1;
}

/** Redraws the table in place on a terminal; elsewhere prints it now and then. */
function startLiveTable(tally: Tally, startedAt: number): { stop(): void } {
  let drawnLines = 0;
  const tty = process.stderr.isTTY;
  const erase = () => {
    // To the first column too: a terminal echoes ^C.
    if (tty && drawnLines > 0) process.stderr.write(`\r\x1b[${drawnLines}A\x1b[0J`);
  };
  const draw = () => {
    if (tally.answers === 0) return;
    const perSecond = (tally.answers / (performance.now() - startedAt)) * 1000;
    const text = `${perSecond.toFixed(0)} answers/s\n${tally.render()}`;
    erase();
    say(text);
    drawnLines = text.split('\n').length;
  };
  const timer = setInterval(draw, tty ? redrawMs : quietRedrawMs);
  return {
    stop() {
      clearInterval(timer);
      erase();
    },
  };
}

async function report(
  tally: Tally,
  images: DemoImages,
  { classes }: Manifest,
  seconds: number,
  options: DemoCommandOptions,
): Promise<void> {
  const webpBytes = await webpMean(images);
  const { source } = images;
  const { answers, accuracy, bytes, degraded, failed, routes } = tally;
  if (options.json) {
    printJson({
      source,
      seconds,
      answers,
      accuracy,
      bytesSent: bytes,
      webpBytes,
      degraded,
      failed,
      routes,
    });
    return;
  }
  if (answers === 0) {
    print('Ended before the first answer.');
    return;
  }
  print(`${answers} answers in ${seconds.toFixed(1)} s (${(answers / seconds).toFixed(0)}/s): ${source}\n`);
  print(tally.render());
  const all = webpBytes * answers;
  const ratio = all / bytes;
  const times = bytes === 0 ? '' : `, ${ratio.toFixed(ratio < 10 ? 1 : 0)} times as much`;
  print(`\nSent to the cloud: ${bytes} bytes in all, frames included. Every image as WebP (quality 75,`);
  print(`${webpBytes.toFixed(0)} bytes each) would have been ${all.toFixed(0)}${times}.`);
  if (degraded + failed > 0) print(`Degraded: ${degraded}. Without an answer: ${failed}.`);
  printRescue(tally, images, classes);
  if (options.once) print('\nTo try it in a browser: npx offramp cloud --page');
}

function printRescue({ rescue }: Tally, images: DemoImages, classes: readonly string[]): void {
  if (rescue === undefined) return;
  const { answer, truth, image } = rescue;
  const { label, entropy } = answer.device;
  print(
    `\nOne that travelled: the device said ${classes[label]} but was not sure (entropy ${entropy.toFixed(2)}),`,
  );
  print(
    `the cloud said ${answer.className} (entropy ${answer.entropy.toFixed(2)}); it is ${classes[truth]}.\n`,
  );
  print(picture(images.image(image), images.shape));
}

async function webpMean(images: DemoImages): Promise<number> {
  const [height, width, channels] = images.shape;
  const raw = { width, height, channels: channels === 1 ? (1 as const) : (3 as const) };
  const sample = Array.from({ length: Math.min(sampledForWebp, images.count) }, (_, index) =>
    images.image(index),
  );
  return meanCompressedBytes(
    sample,
    async (image) => (await sharp(image, { raw }).webp({ quality: 75 }).toBuffer()).length,
  );
}
