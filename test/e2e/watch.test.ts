import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawnImage } from '../runtime/real-bundle.ts';
import { cleanUp, metric, removeLater, runCommand, startServer, waitUntil } from './support.ts';

interface Said {
  readonly file: string;
  readonly label?: number;
  readonly error?: { readonly code: string };
}

const raw = { width: 28, height: 28, channels: 1 } as const;
const picture = await sharp(drawnImage(3), { raw }).png().toBuffer();
const newFolder = () => removeLater(mkdtempSync(join(tmpdir(), 'offramp-edge-watch-')));

/** Lines of stdout after the one that says where the daemon listens. */
function saidBy(edge: { stdout(): string }): Said[] {
  return edge
    .stdout()
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const Watch = suite('offramp edge --watch');

Watch(
  'answers pictures on stdout as they come, counts them, and does not answer old ones after a restart',
  async () => {
    const folder = newFolder();
    const edge = await startServer('edge', ['--watch', folder]);
    writeFileSync(join(folder, '.a.png'), picture);
    renameSync(join(folder, '.a.png'), join(folder, 'a.png'));
    await waitUntil(() => saidBy(edge).length === 1, 'an answer');
    writeFileSync(join(folder, 'notes.txt'), 'no picture');
    await waitUntil(() => saidBy(edge).length === 2, 'an error');
    const [answer, error] = saidBy(edge);
    assert.equal([answer?.file, answer?.label === undefined], [join(folder, 'a.png'), false]);
    assert.equal([error?.file, error?.error?.code], [join(folder, 'notes.txt'), 'IMAGE_INVALID']);
    assert.is(await metric(edge.url, 'offramp_edge_in_flight'), 0);
    assert.is(await edge.stop(), 0, edge.stderr());
    const again = await startServer('edge', ['--watch', folder]);
    writeFileSync(join(folder, 'b.png'), picture);
    await waitUntil(() => saidBy(again).length > 0, 'an answer');
    assert.equal(
      saidBy(again).map(({ file }) => file),
      [join(folder, 'b.png')],
    );
    assert.is(await again.stop(), 0, again.stderr());
  },
);

Watch('writes answers into a folder, be it the same, of files that were there too', async () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'old.png'), picture);
  const edge = await startServer('edge', ['--watch', folder, '--out', folder, '--existing']);
  const file = join(folder, 'old.png.json');
  await waitUntil(() => existsSync(file), 'an answer');
  const said: Said = JSON.parse(readFileSync(file, 'utf8'));
  assert.is(said.file, join(folder, 'old.png'));
  assert.type(said.label, 'number');
  assert.equal(saidBy(edge), []);
  assert.is(await edge.stop(), 0, edge.stderr());
});

Watch('says at the start what is wrong with its folders, and leaves nothing running', async () => {
  const folder = newFolder();
  mkdirSync(join(folder, 'there'));
  const wrong: readonly (readonly string[])[] = [
    ['--watch', join(folder, 'none')],
    ['--watch', join(folder, 'there'), '--out', join(folder, 'none')],
    ['--out', join(folder, 'there')],
    ['--existing'],
  ];
  for (const args of wrong) {
    const { ending, stderr } = await runCommand(['edge', '--port', '0', '--log-level', 'silent', ...args]);
    assert.is(ending, 1, args.join(' '));
    assert.match(stderr, /^CONFIG_INVALID: /);
  }
});

Watch.after.each(cleanUp);
Watch.run();
