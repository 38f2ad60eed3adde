/** Bundles of more than two segments, as a person runs them: pictures of any kind, exits on both sides, no data set at hand. */
import { join } from 'node:path';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { bundleFolders, pictureFor } from '../models/bundles.ts';
import { skip } from '../support/data.ts';
import { classify, classifyNamed, temporaryFolder } from './images.ts';
import { cleanUp, note, runCommand, startPair } from './support.ts';

const budgetMs = 30_000;
const pictures = 12;

/** A bundle and its folder. */
interface Opened {
  readonly folder: string;
  readonly bundle: Bundle;
}

const opened: Opened[] = [];
for (const { folder } of bundleFolders) {
  const bundle = await openBundle(bundleFolder(folder), { segments: [] });
  if (bundle.manifest.segments.length > 2) opened.push({ folder, bundle });
}

const noSuchBundle = 'there is no bundle of more than two segments';

/** A made-up picture as a PNG file's bytes, of the network's own size or larger. */
function png({ manifest }: Bundle, index: number, scale: number): Promise<Buffer> {
  const [height, width, channels] = manifest.input.shape;
  // Every data set known so far is grey or in colour.
  const raw = { width, height, channels: channels as 1 | 3 };
  const picture = sharp(pictureFor(manifest, index), { raw });
  return picture
    .resize(width * scale, height * scale, { kernel: 'nearest' })
    .png()
    .toBuffer();
}

const any = suite('a bundle of three segments');
any.after.each(cleanUp);

any('classifies picture files without a cloud, and names class and exit of each', async () => {
  if (opened.length === 0) return skip(noSuchBundle);
  for (const { folder, bundle } of opened) {
    const { exits, classes } = bundle.manifest;
    const home = temporaryFolder();
    const files = await Promise.all(
      [1, 2, 3].map(async (index) => {
        const file = join(home, `${index}.png`);
        await sharp(await png(bundle, index, index)).toFile(file);
        return file;
      }),
    );
    const { ending, stdout, stderr } = await runCommand(['classify', '--bundle', folder, ...files]);
    assert.equal([ending, stderr], [0, '']);
    const rows = stdout.trimEnd().split('\n').slice(2);
    assert.is(rows.length, files.length);
    for (const [index, row] of rows.entries()) {
      const [file, className = '', , , exit = '', route] = row.split(/ {2,}/);
      assert.is(file, files[index]);
      assert.ok(classes.includes(className), row);
      assert.ok(
        exits.some(({ name }) => name === exit),
        row,
      );
      assert.is(route, exit === exits.at(-1)?.name ? 'edge-only' : 'exit');
    }
  }
});

any('answers over HTTP with two segments on the device as with all of them', async () => {
  if (opened.length === 0) return skip(noSuchBundle);
  for (const { folder, bundle } of opened) {
    const { edge } = await startPair(folder, { edgeArgs: ['--cut', '2'] });
    const { manifest } = bundle;
    const routes = new Set<string>();
    for (let index = 0; index < pictures; index++) {
      const byPixels = await classify(edge, pictureFor(manifest, index), { budgetMs });
      const byPicture = await classifyNamed(edge, `picture-${index}`, await png(bundle, index, 1));
      assert.not(byPixels.degraded, byPixels.reason);
      assert.equal([byPicture.label, byPicture.exit], [byPixels.label, byPixels.exit], `picture ${index}`);
      assert.is(byPixels.className, manifest.classes[byPixels.label]);
      const place = manifest.exits.findIndex(({ name }) => name === byPixels.exit);
      assert.is(byPixels.route, place < 2 ? 'exit' : 'features');
      assert.is(byPixels.bytesSent > 0, place >= 2, 'codes are sent for what goes on, and for nothing else');
      routes.add(byPixels.exit);
    }
    note(`${manifest.id} at cut 2: ${pictures} pictures left at ${[...routes].join(', ')}`);
    await cleanUp();
  }
});

any('runs the demo on made-up pictures, and calls none of its answers right or wrong', async () => {
  if (opened.length === 0) return skip(noSuchBundle);
  for (const { folder } of opened) {
    const { ending, stdout, stderr } = await runCommand([
      ...['demo', '--once', '--json', '--bundle', folder],
      ...['--budget-ms', String(budgetMs)],
    ]);
    assert.is(ending, 0, stderr);
    const { source, answers, accuracy, failed } = JSON.parse(stdout);
    assert.match(source, 'made up');
    assert.equal([answers, accuracy, failed], [300, null, 0]);
  }
});

any.run();
