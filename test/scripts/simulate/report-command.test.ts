import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectFolder } from '../../../scripts/project.ts';
import { readMarkup } from './markup.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-report-'));
const scenario = join(folder, 'mine.json');
const page = join(folder, 'mine.html');

function offramp(...args: readonly string[]) {
  const program = join(projectFolder, 'scripts', 'offramp.mjs');
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: folder });
}

const Command = suite('simulate --html');

Command.before(() => {
  const written = {
    name: 'mine <own>',
    bundle: 'b-lenet-mnist',
    arrivals: { kind: 'poisson', imagesPerSecond: 20 },
    ...{ seconds: 4, warmUpSeconds: 1, budgetMs: 500, links: ['lte'] },
    policies: [
      { name: 'ours', objective: 'latency' },
      { name: 'picture', cut: 0 },
    ],
  };
  writeFileSync(scenario, JSON.stringify(written));
});

Command.after(() => rmSync(folder, { recursive: true, force: true }));

Command('writes a page of the runs that it prints', () => {
  const { status, stdout, stderr } = offramp('simulate', '--scenario', scenario, '--html', page, '--json');
  assert.is(status, 0, stderr);
  assert.match(stderr, `Written to ${page}`);
  const printed: { results: { latencyMs: { mean: { ms: number } } }[] } = JSON.parse(stdout);
  const { text } = readMarkup(readFileSync(page, 'utf8'));
  assert.is(printed.results.length, 2);
  for (const { latencyMs } of printed.results) {
    assert.match(text, latencyMs.mean.ms.toFixed(latencyMs.mean.ms < 10 ? 2 : 1));
  }
  assert.match(text, 'mine <own>');
  assert.match(text, '--html');
});

Command('is refused where a question is asked, whose answers are no runs', () => {
  const { status, stderr } = offramp(
    ...['simulate', '--scenario', scenario, '--find', 'devices', '--p95', '100', '--html', page],
  );
  assert.is.not(status, 0);
  assert.match(stderr, 'CONFIG_INVALID: Got --html with --find');
});

Command.run();
