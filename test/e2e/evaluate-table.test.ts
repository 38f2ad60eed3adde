/**
 * `offramp evaluate --table` and `--plot` as a user runs them, on a few of the drawn digits and with a bundle whose records are of
 * these digits: once with a baseline (its own first segment, whose figures are known), once without.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Curve } from '../../scripts/evaluate/curve/curve.ts';
import type { RunRecord } from '../../scripts/evaluate/run-record.ts';
import type { TableEntry } from '../../scripts/evaluate/table/figures.ts';
import { dataFolder, skip } from '../support/data.ts';
import { drawnBundle, drawnData, drawnImages, temporaryFolder } from './drawn-bundle.ts';
import { cleanUp, runCommand } from './support.ts';

interface Printed extends RunRecord {
  readonly paperNote: string;
  readonly bundles: readonly TableEntry[];
  readonly curves: readonly (Omit<Curve, 'points'> & { readonly files: readonly string[] })[];
}

const sample = 24;

const sizes = ['--limit', String(drawnImages), '--sample', String(sample)];

async function print(args: readonly string[]): Promise<Printed> {
  const { ending, stdout, stderr } = await runCommand(['evaluate', '--json', ...args]);
  assert.is(ending, 0, stderr);
  assert.is(stderr, '', 'nothing on stderr where that is no terminal');
  return JSON.parse(stdout);
}

const Table = suite('offramp evaluate --table --plot');
Table.after.each(cleanUp);

Table('measures both networks, draws the curve, and what they say agrees', async () => {
  const data = drawnData();
  const plots = join(temporaryFolder(), 'new', 'folder');
  const bundle = await drawnBundle('b-lenet-drawn', data, 'with baseline');
  const bare = await drawnBundle('bare', data, 'none');
  const args = ['--table', '--plot', plots, '--bundle', bundle, '--bundle', bare, '--data', data];
  const { bundles, curves, command, paperNote } = await print([...args, ...sizes]);
  const [entry, entryOfBare] = bundles;
  const [curve, curveOfBare] = curves;
  assert.ok(entry !== undefined && curve !== undefined && bundles.length === 2);
  const { branchy, baseline, timedLabelsThatDiffer } = entry;
  assert.ok(baseline !== null && branchy.gain !== null);
  assert.equal([entry.images, entry.timedImages, entry.cut], [drawnImages, sample, 1]);
  assert.is(timedLabelsThatDiffer, 0);

  // The baseline is the first segment, so that it answers as the branch does.
  const [branch] = curve.singleExits;
  assert.is(baseline.accuracy, branch?.accuracy);
  const { accuracy, ms, macs } = baseline;
  assert.equal(curve.baseline, { accuracy, meanMs: ms.typical, meanMacs: macs });
  // Run segment by segment through the codec or replayed from the records of the network in one piece: the same answers.
  assert.is(branchy.accuracy, curve.operatingPoint.accuracy);
  assert.equal(
    branchy.exits.map(({ share }) => share),
    curve.operatingPoint.exitShares,
  );
  assert.ok(Math.abs(branchy.ms.typical - curve.operatingPoint.meanMs) < 1e-9);
  assert.ok(Math.abs(branchy.gain.mean.ratio - ms.mean / branchy.ms.mean) < 1e-9);
  assert.ok(ms.typicalWithoutThread > 0 && ms.typicalWithoutThread < ms.typical);
  assert.ok(branchy.ms.median > 0 && branchy.ms.median <= branchy.ms.p95);

  // The other bundle is the same but for its baseline, and nothing takes its place.
  assert.equal([entryOfBare?.baseline, entryOfBare?.branchy.gain, curveOfBare?.baseline], [null, null, null]);
  assert.is(entryOfBare?.branchy.accuracy, branchy.accuracy);

  assert.match(command, `offramp evaluate --json --table --plot ${plots}`);
  assert.match(paperNote, 'leave out the branches');
  assert.equal([entry.paper?.branchy.network, entryOfBare?.paper], ['B-LeNet', null]);
  const names = ['b-lenet-drawn', 'bare'].flatMap((id) => [`${id}-macs.svg`, `${id}-time.svg`, `${id}.json`]);
  assert.equal(readdirSync(plots).sort(), names);
  const written: Curve = JSON.parse(readFileSync(join(plots, 'b-lenet-drawn.json'), 'utf8'));
  assert.ok(written.points.length > 3, `${written.points.length} points`);
  assert.equal(written.operatingPoint, curve.operatingPoint);
  for (const file of [...curve.files, ...(curveOfBare?.files ?? [])]) {
    if (!file.endsWith('.svg')) continue;
    assert.is((await sharp(file).metadata()).format, 'svg', file);
    assert.is(/>baseline</.test(readFileSync(file, 'utf8')), curve.files.includes(file), file);
  }
});

Table('says in words that a bundle has no baseline, and gives the paths of its curves', async () => {
  const data = drawnData();
  const plots = temporaryFolder();
  const bundle = await drawnBundle('bare', data, 'none');
  const args = ['--table', '--plot', plots, '--bundle', bundle, '--data', data, ...sizes];
  const { ending, stdout, stderr } = await runCommand(['evaluate', ...args]);
  assert.is(ending, 0, stderr);
  assert.match(stdout, /^with branches /m);
  assert.not.match(stdout, /^baseline /m);
  assert.match(stdout, 'The bundle has no baseline');
  assert.match(stderr, 'bare has no baseline');
  const paths = ['-time.svg', '-macs.svg', '.json'].map((rest) => join(plots, `bare${rest}`));
  assert.equal(stdout.trim().split('\n').slice(-3), paths);
});

Table('measures the committed bundle on MNIST', async () => {
  const data = dataFolder();
  if (data === undefined) return skip('OFFRAMP_DATA is not set: the table needs MNIST');
  const plots = temporaryFolder();
  const bundle = ['--bundle', 'b-lenet-mnist', '--data', data, '--limit', '500', '--sample', '50'];
  const { bundles, curves } = await print(['--table', '--plot', plots, ...bundle]);
  const { branchy, timedLabelsThatDiffer } = bundles[0] ?? {};
  assert.ok((branchy?.accuracy ?? 0) >= 0.97, `accuracy ${branchy?.accuracy}`);
  // The records are of another machine, whose rounding may have let one image leave elsewhere.
  const recorded = curves[0]?.operatingPoint.accuracy ?? 0;
  assert.ok(Math.abs((branchy?.accuracy ?? 0) - recorded) <= 1.5 / 500, `recorded ${recorded}`);
  assert.is(timedLabelsThatDiffer, 0);
});

Table.run();
