/** Runs `offramp evaluate`, and checks what must hold of every evaluation. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Evaluation } from '../../scripts/evaluate/summary.ts';
import type { Manifest } from '../../shared/bundle/index.ts';
import { note, runCommand } from './support.ts';

/** Evaluates on the data in a folder; gives what `--json` prints. */
export async function evaluate(data: string, args: readonly string[]): Promise<Evaluation> {
  const startedAt = performance.now();
  const { ending, stdout, stderr } = await runCommand(['evaluate', '--data', data, '--json', ...args]);
  assert.is(ending, 0, stderr);
  assert.is(stderr, '', 'nothing on stderr where that is no terminal');
  const result: Evaluation = JSON.parse(stdout);
  const { images, accuracy, whole, exits, offload, degraded, lost, placementMismatches } = result;
  note(
    `${images} images in ${((performance.now() - startedAt) / 1000).toFixed(1)} s: accuracy ${accuracy} (last exit ` +
      `alone ${whole.accuracy}), device share ${exits[0]?.share}, ${offload.bytesMean.toFixed(1)} bytes per offloaded ` +
      `image; ${placementMismatches} moved, ${degraded} degraded, ${lost} lost`,
  );
  return result;
}

/** What must hold of every evaluation, however good the network is. */
export function checkNothingMoved(result: Evaluation, images: number): void {
  const { placementMismatches, lost, degraded } = result;
  assert.equal({ placementMismatches, lost, degraded }, { placementMismatches: 0, lost: 0, degraded: 0 });
  assert.is(result.images, images);
}

/** MACs are the manifest's: of the segments that the device has, and of those that each exit needs. */
export function checkMacs({ macs, exits }: Evaluation, { segments }: Manifest, cut: number): void {
  const before = (segment: number) => segments.slice(0, segment).reduce((sum, one) => sum + one.macs, 0);
  const mean = (cost: (exit: number) => number) =>
    exits.reduce((sum, { share }, exit) => sum + share * cost(exit), 0);
  assert.is(macs.device, before(cut));
  const inAll = mean((exit) => before(exit + 1));
  assert.ok(Math.abs(macs.mean - inAll) < 1, `${macs.mean} MACs, expected ${inAll}`);
  const onDevice = mean((exit) => before(Math.min(exit + 1, cut)));
  assert.ok(Math.abs(macs.meanDevice - onDevice) < 1, `${macs.meanDevice} MACs, expected ${onDevice}`);
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
}
